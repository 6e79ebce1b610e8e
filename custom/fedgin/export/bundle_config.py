"""A MONAI bundle's inference, one modality's preprocessing in each file.

The transforms are MONAI's, so that a bundle runs where fedgin is not installed. Two things that no
transform does alone stand as expressions: the grid to resample to, whose number of voxels depends
on the scan and whose outer faces are the scan's own, and the sliding window, which pads by the
volume's least value and takes a 2D network slice by slice. In MONAI's expressions `@name` means
another entry, so no matrix product is written by its sign.
"""

from __future__ import annotations

from typing import Any

from fedgin.networks.architecture import Architecture
from fedgin.settings import ResolvedSettings

CHECKPOINT = "models/model.pt"

SHAPE = (
    "$lambda image: [max(1, round(n * old / (new or old))) for n, old, new in "
    "zip(image.shape[1:], image.pixdim.tolist(), @spacing)]"
)
GRID = (
    "$lambda image: monai.data.MetaTensor(torch.zeros(1).expand(1, *@shape(image)), "
    "affine=torch.mm(image.affine, torch.as_tensor("
    "monai.transforms.utils.scale_affine(list(image.shape[1:]), @shape(image)))), "
    "meta={key: value for key, value in image.meta.items() if key != 'affine'})"
)
INFERER = {
    # (1, 1, X, Y, Z) to slices (Z, 1, Y, X), and their scores back to (1, classes, X, Y, Z).
    2: "$lambda image, network: @windows(image.as_tensor()[0].permute(3, 0, 2, 1), "
    "predictor=network, cval=float(image.min())).permute(1, 3, 2, 0)[None]",
    # (1, 1, X, Y, Z) to (1, 1, Z, Y, X) and back.
    3: "$lambda image, network: @windows(image.as_tensor().permute(0, 1, 4, 3, 2), "
    "predictor=network, cval=float(image.min())).permute(0, 1, 4, 3, 2)",
}


def inference_config(
    settings: ResolvedSettings, network: Architecture, *, modality: str
) -> dict[str, Any]:
    """Writes what `python -m monai.bundle run` needs to segment a folder of NIfTI files.

    Args:
        settings: The model's settings.
        network: Its network.
        modality: "CT" or "MR".

    Returns:
        Plain values for JSON; nothing of it is a text from the card.
    """
    training, geometry = settings.training, settings.geometry
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "dataset_dir": "$os.path.join(@bundle_root, 'data')",
        "output_dir": "$os.path.join(@bundle_root, 'eval')",
        "datalist": "$sorted(file for end in ('.nii', '.nii.gz') "
        "for file in glob.glob(os.path.join(@dataset_dir, '*' + end)))",
        "spacing": list(geometry.spacing),
        "network_def": {"_target_": network.target, **network.arguments},
        "network": "$@network_def.to(@device)",
        "shape": SHAPE,
        "grid": GRID,
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "labels": None},
                "$lambda data: {**data, 'grid': @grid(data['image'])}",
                {
                    "_target_": "ResampleToMatchd",
                    "keys": "image",
                    "key_dst": "grid",
                    # Used on the way back too, where double precision would double the memory.
                    "dtype": "$torch.float32",
                },
                {"_target_": "DeleteItemsd", "keys": "grid"},
                *intensities(modality, settings),
                # As stored for training.
                {"_target_": "CastToTyped", "keys": "image", "dtype": "$torch.float16"},
                {"_target_": "CastToTyped", "keys": "image", "dtype": "$torch.float32"},
            ],
        },
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': file} for file in @datalist]",
            "transform": "@preprocessing",
        },
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 0,
        },
        "windows": {
            "_target_": "monai.inferers.sliding_window_inference",
            "_mode_": "callable",
            "roi_size": list(geometry.patch_size),
            "sw_batch_size": training.window_batch,
            "overlap": training.overlap,
            "mode": "gaussian",
        },
        "inferer": INFERER[training.spatial_dims],
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "EnsureTyped", "keys": "pred", "device": "cpu"},
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "transform": "@preprocessing",
                    "orig_keys": "image",
                    "nearest_interp": False,
                },
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {
                    "_target_": "SaveImaged",
                    "keys": "pred",
                    "output_dir": "@output_dir",
                    "output_postfix": "seg",
                    "output_dtype": "$np.uint8",
                    "separate_folder": False,
                },
            ],
        },
        "handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": f"$os.path.join(@bundle_root, '{CHECKPOINT}')",
                "load_dict": {"model": "@network"},
                "map_location": "@device",
            }
        ],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
            "amp": "$@device.type == 'cuda'",
        },
        "run": ["$@evaluator.run()"],
    }


def intensities(modality: str, settings: ResolvedSettings) -> list[dict[str, Any]]:
    """Lists the transforms that bring intensities to the scale of `fedgin.data.preprocess`."""
    if modality == "CT":
        low, high = settings.ct_window
        scale = {"a_min": low, "a_max": high, "b_min": -1.0, "b_max": 1.0, "clip": True}
        return [{"_target_": "ScaleIntensityRanged", "keys": "image", **scale}]
    top = {"lower": None, "upper": settings.mr_percentile}
    return [
        {"_target_": "ClipIntensityPercentilesd", "keys": "image", **top},
        {"_target_": "NormalizeIntensityd", "keys": "image"},
    ]
