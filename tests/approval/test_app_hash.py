"""The hash of an app: nothing can change in it unseen, and nothing odd gets one."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from app_trees import Tree, brute_force, write_tree
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgin.approval.app_hash import SIGNATURES, app_hash
from fedgin.errors import ApprovalError

APP: Tree = {
    "config/config_fed_client.json": b"{}",
    "custom/code/__init__.py": b"",
    "custom/code/part.py": b"x = 1\n",
    "custom/code.py": b"y = 2\n",
}
NAMES = st.text(alphabet="ab.-_é", min_size=1, max_size=4).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TREES = st.dictionaries(PATHS, st.binary(max_size=20), max_size=5)


def is_tree(tree: Tree) -> bool:
    """No path may be both a file and a folder."""
    return not any(other.startswith(f"{name}/") for name in tree for other in tree)


def hash_of(tree: Tree) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return app_hash(write_tree(Path(folder), tree))


@settings(max_examples=30, deadline=None)
@given(TREES.filter(is_tree))
def test_it_is_the_documented_one_in_any_order_of_writing(tree: Tree) -> None:
    expected = brute_force(tree)
    assert hash_of(tree) == expected
    assert hash_of(dict(reversed(tree.items()))) == expected


@settings(max_examples=30, deadline=None)
@given(TREES.filter(is_tree), TREES.filter(is_tree))
def test_two_apps_have_one_hash_only_if_they_are_the_same(first: Tree, second: Tree) -> None:
    assert (hash_of(first) == hash_of(second)) == (first == second)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_added_renamed_or_removed_byte_changes_it(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(APP)))
    content = APP[name]
    rest = {key: value for key, value in APP.items() if key != name}
    position = data.draw(st.integers(0, len(content)))
    byte = data.draw(st.binary(min_size=1, max_size=1))
    changed = {
        "removed": rest,
        "renamed": {**rest, f"{name}x": content},
        "moved": {**rest, f"custom/moved/{Path(name).name}": content},
        "longer": {**APP, name: content[:position] + byte + content[position:]},
        "added": {**APP, "custom/sitecustomize.py": byte},
    }
    if content:
        flipped = bytearray(content)
        flipped[position % len(content)] ^= data.draw(st.integers(1, 255))
        changed["flipped"] = {**APP, name: bytes(flipped)}
    kind = data.draw(st.sampled_from(sorted(changed)))
    assert hash_of(changed[kind]) != brute_force(APP), kind


def test_contents_that_trade_places_change_it() -> None:
    names = ("custom/code/part.py", "custom/code.py")
    swapped = {**APP, names[0]: APP[names[1]], names[1]: APP[names[0]]}
    assert hash_of(swapped) != hash_of(APP)


def test_an_empty_folder_and_a_hidden_file_count(tmp_path: Path) -> None:
    app = write_tree(tmp_path / "app", APP)
    (app / "custom" / "fedgin").mkdir()
    with_folder = app_hash(app)
    assert with_folder == brute_force(APP, folders=("custom/fedgin",))
    assert with_folder != brute_force(APP)
    (app / "custom" / ".pth").write_bytes(b"")
    assert app_hash(app) not in (with_folder, brute_force(APP))


def test_times_permissions_and_flares_signatures_do_not_count(tmp_path: Path) -> None:
    app = write_tree(tmp_path / "app", APP)
    os.utime(app / "custom" / "code.py", (1, 1))
    (app / "custom" / "code.py").chmod(0o700)
    for name in SIGNATURES:
        (app / "custom" / name).write_text("another with each submission")
    assert app_hash(app) == brute_force(APP)


def test_a_folder_with_a_signatures_name_hides_nothing(tmp_path: Path) -> None:
    app = write_tree(tmp_path / "app", APP)
    (hidden,) = [name for name in SIGNATURES if name.endswith(".json")]
    write_tree(app / "custom" / hidden, {"code.py": b"z"})
    assert app_hash(app) == brute_force({**APP, f"custom/{hidden}/code.py": b"z"})


def test_a_large_file_is_read_to_its_end(tmp_path: Path) -> None:
    large = {"custom/weights": bytes(3 << 20)}
    app = write_tree(tmp_path / "app", large)
    assert app_hash(app) == brute_force(large)
    with (app / "custom/weights").open("r+b") as file:
        file.seek((3 << 20) - 1)
        file.write(b"x")
    assert app_hash(app) != brute_force(large)


def test_links_and_odd_files_are_refused_together(tmp_path: Path) -> None:
    app = write_tree(tmp_path / "app", APP)
    (app / "custom" / "link.py").symlink_to(app / "custom" / "code.py")
    (app / "custom" / "folder").symlink_to(app / "config")
    (app / "custom" / sorted(SIGNATURES)[0]).symlink_to("/etc/hostname")
    (app / "nowhere").symlink_to(tmp_path / "none")
    os.mkfifo(app / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(app / "s"))
        with pytest.raises(ApprovalError) as caught:
            app_hash(app)
    odd = {Path(problem.where).name for problem in caught.value.problems}
    assert odd == {"link.py", "folder", sorted(SIGNATURES)[0], "nowhere", "pipe", "s"}


def test_the_app_itself_must_be_a_folder(tmp_path: Path) -> None:
    app = write_tree(tmp_path / "app", APP)
    (tmp_path / "link").symlink_to(app)
    for unfit in (tmp_path / "none", app / "custom" / "code.py", tmp_path / "link"):
        with pytest.raises(ApprovalError, match="no folder"):
            app_hash(unfit)


def test_a_copy_has_the_same_hash_under_another_name(tmp_path: Path) -> None:
    app = write_tree(tmp_path / "app", APP)
    copied = Path(shutil.copytree(app, tmp_path / "app_hospital-a"))
    assert app_hash(copied) == app_hash(app)
