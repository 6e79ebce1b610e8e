"""The lock file of hospitals without the internet."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SMALL = ("pyyaml", "jinja2", "markupsafe")


@pytest.fixture(scope="module")
def lock(repository: Path) -> dict[str, str]:
    """The lock file's entries by package: version and hashes as they stand there."""
    text = (repository / "site_configs" / "closed_hospital" / "requirements.lock").read_text()
    return {
        canonicalize_name(match.group(1)): match.group(0)
        for match in re.finditer(r"^([\w.-]+)==\S+ \\\n(?:    --hash=\S+(?: \\)?\n)+", text, re.M)
    }


def test_it_pins_what_requirements_txt_pins(repository: Path, lock: dict[str, str]) -> None:
    lines = (repository / "requirements.txt").read_text().splitlines()
    pins = [line.strip() for line in lines if "==" in line]
    assert len(pins) > 10
    for pin in pins:
        name = canonicalize_name(pin.split("==")[0])
        assert lock[name].lower().startswith(f"{pin.lower()} \\"), pin


def needed(name: str, found: set[str]) -> set[str]:
    """Follows a package's requirements, as far as they apply to this interpreter."""
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        child = canonicalize_name(requirement.name)
        if child not in found:
            found.add(child)
            needed(child, found)
    return found


def test_it_lacks_nothing_that_the_package_needs(lock: dict[str, str]) -> None:
    # PyTorch's CUDA build needs more than the CPU build; never less.
    assert needed("fedgin", set()) - lock.keys() == set()


@pytest.mark.slow
def test_its_hashes_are_those_of_the_files_and_a_wheel_folder_installs_offline(
    lock: dict[str, str], tmp_path: Path
) -> None:
    part = tmp_path / "part.lock"
    part.write_text("".join(lock[name] for name in SMALL))
    wheels, target = tmp_path / "wheels", tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "-q"]
    subprocess.run(
        [*pip, "download", "--require-hashes", "--no-deps", "-r", str(part), "-d", str(wheels)],
        check=True,
    )
    offline = ["install", "--no-index", "--find-links", str(wheels), "--require-hashes"]
    subprocess.run([*pip, *offline, "-r", str(part), "--target", str(target)], check=True)
    assert (target / "yaml" / "__init__.py").is_file()
