"""BTCV, also called SABS: abdominal CT of the "beyond the cranial vault" challenge."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from fedgin.data.adapters.base import FoundData
from fedgin.data.adapters.root import begin
from fedgin.data.adapters.search import subfolder

LABELS = MappingProxyType(
    {
        "spleen": 1,
        "kidney_right": 2,
        "kidney_left": 3,
        "gallbladder": 4,
        "esophagus": 5,
        "liver": 6,
        "stomach": 7,
        "aorta": 8,
        "inferior_vena_cava": 9,
        "portal_vein_and_splenic_vein": 10,
        "pancreas": 11,
        "adrenal_gland_right": 12,
        "adrenal_gland_left": 13,
    }
)


class Btcv:
    """30 CT volumes with 13 abdominal organs; the 20 test volumes have no public labels."""

    name = "btcv"
    title = "BTCV / SABS, abdomen of Multi-Atlas Labeling Beyond the Cranial Vault"
    source = "https://www.synapse.org/Synapse:syn3193805/wiki/217789"
    modalities = "CT"
    form = "label maps"
    layout: tuple[str, ...] = (
        "img/img0001.nii.gz (in RawData/Training)",
        "label/label0001.nii.gz",
    )

    def find(self, root: Path) -> FoundData:
        """Finds the cases; see `Adapter.find`.

        Raises:
            DataError: As there.
        """
        search = begin(self, root, _fits)
        images, labels = subfolder(root, "img"), subfolder(root, "label")
        assert images is not None
        assert labels is not None
        pairs = search.matched(
            search.keyed(
                search.nifti(images),
                re.compile(r"img(\d+)"),
                reason="the name shows no BTCV image (img0001)",
            ),
            search.keyed(
                search.nifti(labels),
                re.compile(r"label(\d+)"),
                reason="the name shows no BTCV label (label0001)",
            ),
        )
        for _, image, label in pairs:
            search.add(image.stem, modality="CT", image=image.path, label=label.path)
        search.rest()
        return search.found(labels=LABELS)


def _fits(root: Path) -> bool:
    return subfolder(root, "img") is not None and subfolder(root, "label") is not None
