"""The yardstick: heart segmentation as a page of PyTorch and MONAI, on phantoms as NIfTI files.

    fedgin phantom --task heart --modality ct --cases 12 FOLDER
    python tests/benchmarks/plain_heart.py FOLDER --steps 300

It trains a MONAI U-Net on slices of the first patients of FOLDER/dataset.json and tests on the
last, with MONAI's transforms, cached, and prints what it took as one line of JSON. It shares no
code with fedgin.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from monai.data import CacheDataset, DataLoader, Dataset
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.metrics import DiceMetric
from monai.networks.nets import UNet
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    Lambdad,
    LoadImaged,
    Orientationd,
    RandAffined,
    RandSpatialCropd,
    ScaleIntensityRanged,
    Spacingd,
    SpatialPadd,
)
from monai.utils import set_determinism

KEYS = ("image", "label")
MODES = ("bilinear", "nearest")


def volumes(files: list[dict[str, str]], spacing: float) -> list[dict[str, torch.Tensor]]:
    transforms = Compose(
        [
            LoadImaged(KEYS),
            EnsureChannelFirstd(KEYS),
            Orientationd(KEYS, axcodes="RAS", labels=None),
            Spacingd(KEYS, pixdim=(spacing, spacing, -1), mode=MODES),
            Lambdad("label", lambda label: (label > 0).float()),
            ScaleIntensityRanged("image", a_min=-200, a_max=500, b_min=-1, b_max=1, clip=True),
        ]
    )
    return list(CacheDataset(files, transforms, num_workers=0, progress=False))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=88)
    parser.add_argument("--spacing", type=float, default=4.0)
    parser.add_argument("--channels", default="16,32,64,128")
    parser.add_argument("--tests", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    set_determinism(0)
    torch.set_num_threads(options.threads)

    listed = json.loads((options.folder / "dataset.json").read_text())["training"]
    files = [{key: str(options.folder / case[key]) for key in KEYS} for case in listed]
    cases = volumes(files, options.spacing)
    patch = (options.patch, options.patch)
    slices = [
        {key: case[key][..., z].as_tensor() for key in KEYS}
        for case in cases[: -options.tests]
        for z in range(case["image"].shape[-1])
    ]
    augment = Compose(
        [
            SpatialPadd(KEYS, patch),
            RandSpatialCropd(KEYS, patch, random_size=False),
            RandAffined(KEYS, prob=0.5, rotate_range=0.26, scale_range=0.1, mode=MODES),
        ]
    )
    loader = DataLoader(Dataset(slices, augment), batch_size=options.batch, shuffle=True)
    channels = [int(text) for text in options.channels.split(",")]
    network = UNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=2,
        channels=channels,
        strides=[2] * (len(channels) - 1),
        num_res_units=2,
    )
    loss_function = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, options.steps, pct_start=0.1)
    seconds: list[float] = []
    while len(seconds) < options.steps:
        start = time.perf_counter()
        for batch in loader:
            optimizer.zero_grad()
            loss_function(network(batch["image"]), batch["label"]).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            seconds.append(time.perf_counter() - start)
            start = time.perf_counter()
            if len(seconds) == options.steps:
                break
    network.eval()
    metric = DiceMetric(include_background=False)
    with torch.inference_mode():
        for case in cases[-options.tests :]:
            stack = case["image"].as_tensor().permute(3, 0, 1, 2)
            scores = sliding_window_inference(stack, patch, 16, network, 0.25, mode="gaussian")
            found = scores.argmax(1).permute(1, 2, 0)[None, None]
            metric(torch.cat([1 - found, found], 1), case["label"][None].as_tensor().long())
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    result = {
        "step_seconds": float(np.median(seconds)),
        "peak_bytes": peak,
        "dice": float(metric.aggregate()),
        "steps": len(seconds),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
