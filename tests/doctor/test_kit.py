"""Reading a real client kit, and refusing what is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedgin.doctor.kit import Kit, read_kit, split_address
from fedgin.errors import ConfigError


def test_a_provisioned_kit_says_where_the_server_is(kit: Kit, kit_folder: Path) -> None:
    assert (kit.host, kit.port, kit.scheme, kit.security) == ("localhost", 8002, "grpc", "mtls")
    assert kit.client == "hospital-a"
    assert kit.local == kit_folder / "local"
    for file in (kit.certificate, kit.key, kit.root):
        assert file.is_file()


def test_a_folder_that_is_no_kit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_kit(tmp_path)
    (problem,) = caught.value.problems
    assert "fed_client.json" in problem.found
    assert "startup/" in problem.mend
    with pytest.raises(ConfigError, match="no such folder"):
        read_kit(tmp_path / "none")


def test_all_that_a_kit_lacks_is_listed(kit_folder: Path) -> None:
    (kit_folder / "startup/client.key").unlink()
    (kit_folder / "startup/start.sh").unlink()
    with pytest.raises(ConfigError) as caught:
        read_kit(kit_folder)
    found = {problem.found for problem in caught.value.problems}
    assert found == {"no startup/client.key", "no startup/start.sh"}


@pytest.mark.parametrize("servers", [[], {}, [{"service": {"target": "nowhere"}}], [7], None])
def test_a_kit_without_a_server_is_refused(servers: object, kit_folder: Path) -> None:
    file = kit_folder / "startup/fed_client.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "servers": servers}))
    with pytest.raises(ConfigError, match="host:port"):
        read_kit(kit_folder)


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("server.org:8002", None, ("server.org", 8002)),
        ("10.0.0.1:80", 123, ("10.0.0.1", 80)),
        ("[::1]:8002", None, ("::1", 8002)),
        ("pool.ntp.org", 123, ("pool.ntp.org", 123)),
        ("[::1]", 123, ("::1", 123)),
        ("::1", 123, ("::1", 123)),
        ("pool.ntp.org", None, None),
        ("server.org:", 123, None),
        (":123", None, None),
        ("server.org:70000", None, None),
        ("server.org:0", None, None),
        ("server.org:port", None, None),
        ("two words:80", None, None),
        ("a:b:", 123, None),
        ("a:b:80", 123, None),
        ("", 123, None),
    ],
)
def test_addresses(text: str, default: int | None, expected: tuple[str, int] | None) -> None:
    assert split_address(text, default_port=default) == expected
