"""The state between rounds on disk."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from fedgin.engine.state import load_state, save_state, saved_rounds
from fedgin.errors import DataError

CPU = torch.device("cpu")


def save(folder: Path, number: int, value: float) -> None:
    save_state(folder, round_number=number, state={"moment": torch.full((3,), value), "n": number})


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    save(tmp_path / "new" / "state", 0, 2.5)
    state = load_state(tmp_path / "new" / "state", before_round=1, device=CPU)
    assert state is not None
    assert state["n"] == 0
    assert torch.equal(state["moment"], torch.full((3,), 2.5))


def test_there_is_no_state_before_the_first_round(tmp_path: Path) -> None:
    assert load_state(tmp_path / "missing", before_round=0, device=CPU) is None
    save(tmp_path, 0, 1.0)
    assert load_state(tmp_path, before_round=0, device=CPU) is None


def test_the_last_three_states_are_kept_and_nothing_else(tmp_path: Path) -> None:
    for number in range(5):
        save(tmp_path, number, number)
    assert saved_rounds(tmp_path) == [2, 3, 4]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_repeated_round_starts_from_the_same_state(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path, number, number)
    for _ in range(3):
        state = load_state(tmp_path, before_round=3, device=CPU)
        assert state is not None
        assert state["n"] == 2
        save(tmp_path, 3, 33.0)


def test_states_of_a_future_that_was_given_up_are_discarded(tmp_path: Path) -> None:
    for number in range(5):
        save(tmp_path, number, number)
    state = load_state(tmp_path, before_round=3, device=CPU)
    assert state is not None
    assert state["n"] == 2
    save(tmp_path, 3, 33.0)
    assert saved_rounds(tmp_path) == [2, 3]


def test_a_later_round_without_any_state_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert load_state(tmp_path, before_round=0, device=CPU) is None
        assert caplog.messages == []
        assert load_state(tmp_path, before_round=4, device=CPU) is None
    (message,) = caplog.messages
    assert "round 4" in message
    assert str(tmp_path) in message


def test_missed_rounds_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, 1, 1.0)
    with caplog.at_level(logging.WARNING):
        load_state(tmp_path, before_round=2, device=CPU)
        assert caplog.messages == []
        state = load_state(tmp_path, before_round=5, device=CPU)
    assert state is not None
    assert state["n"] == 1
    (message,) = caplog.messages
    assert "round 5" in message
    assert "round 1" in message


def test_a_failed_write_leaves_the_old_state_and_no_temporary_file(tmp_path: Path) -> None:
    save(tmp_path, 0, 1.0)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(TypeError, match="generator"):
        save_state(tmp_path, round_number=0, state={"moment": (number for number in range(3))})
    assert sorted(tmp_path.iterdir()) == before
    state = load_state(tmp_path, before_round=1, device=CPU)
    assert state is not None
    assert torch.equal(state["moment"], torch.ones(3))


def test_other_files_in_the_folder_are_no_states(tmp_path: Path) -> None:
    save(tmp_path, 7, 1.0)
    (tmp_path / "state-after-round-9.safetensors.old").write_text("x")
    (tmp_path / ".state-after-round-8.safetensors.abc").write_text("x")
    assert saved_rounds(tmp_path) == [7]


def test_code_hidden_in_a_state_is_not_run(tmp_path: Path) -> None:
    class Dangerous:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "touched"),)

    torch.save({"moment": Dangerous()}, tmp_path / "state-after-round-0.safetensors")
    with pytest.raises(DataError, match="must be whole"):
        load_state(tmp_path, before_round=1, device=CPU)
    assert not (tmp_path / "touched").exists()


def test_only_the_user_may_look_into_a_new_folder(tmp_path: Path) -> None:
    save(tmp_path / "state", 0, 1.0)
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
