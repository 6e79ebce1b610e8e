"""The server's own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgin.errors import ConfigError
from fedgin.sites.server_file import ServerConfig, load_server_config


def test_without_a_file_all_is_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(tmp_path))
    assert load_server_config() == ServerConfig(checkpoints=None, keep=2)


def test_the_kits_own_file_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kit, shared = tmp_path / "local", tmp_path / "shared"
    for folder, keep in ((kit, 3), (shared, 5)):
        folder.mkdir()
        (folder / "server.yaml").write_text(f"checkpoints: ${{STORE}}/runs\nkeep: {keep}\n")
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(shared))
    monkeypatch.setenv("STORE", "/srv")
    assert load_server_config(local_folder=kit) == ServerConfig(checkpoints="/srv/runs", keep=3)
    assert load_server_config() == ServerConfig(checkpoints="/srv/runs", keep=5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chekpoints: /a\n", "did you mean 'checkpoints'"),
        ("keep: 0\n", "keep"),
        ("- a\n", "mapping"),
    ],
)
def test_a_wrong_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "server.yaml").write_text(text)
    monkeypatch.setenv("FEDGIN_SITE_CONFIGS", str(tmp_path))
    with pytest.raises(ConfigError, match=said):
        load_server_config()
