"""A federation as FLARE provisions it: kits with certificates."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SITE = "hospital-a"
PROJECT = f"""\
api_version: 3
name: clinic
participants:
  - {{name: localhost, type: server, org: org, fed_learn_port: 8002, admin_port: 8003}}
  - {{name: {SITE}, type: client, org: org}}
  - {{name: admin@org.example, type: admin, org: org, role: project_admin}}
builders:
  - path: nvflare.lighter.impl.workspace.WorkspaceBuilder
    args: {{template_file: master_template.yml}}
  - path: nvflare.lighter.impl.static_file.StaticFileBuilder
    args: {{config_folder: config, scheme: grpc}}
  - path: nvflare.lighter.impl.cert.CertBuilder
  - path: nvflare.lighter.impl.signature.SignatureBuilder
"""


@dataclass(frozen=True)
class Federation:
    """Folders of a provisioned federation: nobody may change them."""

    client: Path
    server: Path


def provision(folder: Path) -> Federation:
    folder.mkdir(parents=True)
    (folder / "project.yml").write_text(PROJECT)
    command = Path(sys.executable).parent / "nvflare"
    subprocess.run(
        [command, "provision", "-p", "project.yml", "-w", ".", "--force"],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        check=True,
        capture_output=True,
        timeout=300,
    )
    root = folder / "clinic/prod_00"
    return Federation(client=root / SITE, server=root / "localhost")
