"""Whatever lies in a data set's folders: it is a case's, left out by name, or refused."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgin.data.adapters.registry import get_adapter
from fedgin.data.adapters.search import DOCUMENTS
from fedgin.errors import DataError

STEMS = {
    "amos22": ["amos_0001", "AMOS_0001", "amos_0507", "amos_x"],
    "mmwhs": ["ct_train_1001_image", "ct_train_1001_label", "mr_train_1_image", "mr_train_1_label"],
    "btcv": ["img0001", "label0001", "IMG0001", "img2"],
    "msd": ["spleen_2", "Spleen_2", "spleen_3", "spleen_2_0000"],
    "nnunet": ["case_0000", "case", "case_0001", "CASE"],
    "folder": ["a", "a_image", "a_label", "b_seg", "A", "b"],
    "totalsegmentator_ct": ["ct", "CT", "liver", "spleen"],
    "totalsegmentator_mr": ["mri", "ct", "liver", "heart"],
}
FOLDERS = {
    "amos22": ["imagesTr", "labelsTr", "imagesVa", "labelsVa", "imagesTs", "labelsTs"],
    "mmwhs": ["ct_train", "mr_train", "CT_TRAIN2", "ct_test"],
    "btcv": ["img", "label", "Label"],
    "msd": ["imagesTr", "labelsTr", "imagesTs"],
    "nnunet": ["imagesTr", "labelsTr", "imagesTs", "labelsTs"],
    "folder": ["images", "labels", "masks"],
    "totalsegmentator_ct": ["s1", "s1/segmentations", "s2", "s2/Segmentations"],
    "totalsegmentator_mr": ["s1", "s1/segmentations", "s2", "s2/Segmentations"],
}
ENDS = [".nii.gz", ".nii", ".NII.GZ", ".txt", ""]
ODD = [
    "._x.nii.gz",
    ".DS_Store",
    "x\ny.nii.gz",
    "sub/a.nii.gz",
    "ä ö.nii",
    ".nii.gz",
    "a.nii.gz.nii",
]


@st.composite
def trees(draw: st.DrawFn, name: str) -> set[str]:
    """Paths of the files of a tree that might be this data set, more or less."""
    folders = ["", *FOLDERS[name] * 3, "other"]
    names = st.one_of(
        st.tuples(st.sampled_from(STEMS[name]), st.sampled_from([".nii.gz"] * 4 + ENDS)).map(
            "".join
        ),
        st.sampled_from(ODD),
    )
    files = st.tuples(st.sampled_from(folders), names).map("/".join)
    return {path.lstrip("/") for path in draw(st.sets(files, min_size=1, max_size=14))}


def build(root: Path, paths: set[str]) -> None:
    for path in sorted(paths):
        file = root / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        except OSError:
            continue  # where a file is, no folder can be
    training = [
        {"image": f"./imagesTr/{stem}.nii.gz", "label": f"./labelsTr/{stem}.nii.gz"}
        for stem in ("spleen_2", "spleen_3", "spleen_9")
    ]
    content = {
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "spleen"},
        "training": training,
    }
    (root / "dataset.json").write_text(json.dumps(content))


@pytest.mark.parametrize("name", STEMS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_file_is_accounted_for(name: str, data: st.DataObject) -> None:
    paths = data.draw(trees(name))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        build(root, paths)
        try:
            found = get_adapter(name).find(root)
        except DataError as error:
            assert all(p.where and p.rule and p.found and p.mend for p in error.problems)
            return
        listed = [left.path for left in found.left_out]
        assert len(listed) == len(set(listed))
        used = {file for case in found.cases for file in (case.image, case.label)}
        used |= {
            path.encode().decode("unicode_escape") if "\\u" in path else path for path in listed
        }
        for file in root.rglob("*"):
            relative = file.relative_to(root)
            document = len(relative.parts) == 1 and file.name.lower().endswith(DOCUMENTS)
            if file.is_dir() or document:
                continue
            above = {parent.as_posix() for parent in (relative, *relative.parents)}
            assert above & used, f"{relative} of {sorted(paths)}"
