"""TorchScript runs in a process that has torch and nothing of fedgin or MONAI."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from bundle_runs import run_python

from fedgin.export.model import ExportModel, plain_network
from fedgin.export.parity import compare, probes
from fedgin.export.torchscript import compile_network, write_torchscript

ALONE = """\
import json, sys
import numpy as np, torch
extra = {"io.json": ""}
network = torch.jit.load("model.ts", _extra_files=extra)
images = torch.from_numpy(np.load("images.npy", allow_pickle=False))
with torch.inference_mode():
    np.save("scores.npy", network(images).numpy())
assert not {"monai", "fedgin"} & set(sys.modules)
print(extra["io.json"].decode())
"""


def test_a_fresh_process_gives_the_model_s_scores(unet: ExportModel, tmp_path: Path) -> None:
    text = json.dumps({"a": 1})
    script = compile_network(plain_network(unet))
    write_torchscript(script, tmp_path / "model.ts", interface=text)
    images = probes(unet)[1]
    np.save(tmp_path / "images.npy", images.numpy())
    assert run_python("-c", ALONE, cwd=tmp_path, site=tmp_path / "site").strip() == text
    scores = np.load(tmp_path / "scores.npy", allow_pickle=False)
    with torch.inference_mode():
        np.testing.assert_allclose(scores, unet.network(images).numpy(), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["batch", "dynunet", "unet 3D", "dynunet 3D", "thick slices"])
def test_every_network_compiles(load_model: Callable[[str], ExportModel], name: str) -> None:
    model = load_model(name)
    script = compile_network(plain_network(model))
    assert compare(name, script, model=model, inputs=probes(model)).max_abs_difference <= 1e-5
