"""An encrypted job: what it can be told, and what is refused by name before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedgin.encryption.contexts import COEFFICIENT_BITS, POLY_MODULUS_DEGREE, SCALE_BITS
from fedgin.errors import ConfigError
from fedgin.flare.encryption.aggregator import EncryptedAggregator
from fedgin.jobs import encrypted, rules
from fedgin.jobs.encrypted import check_encrypted, is_encrypted
from fedgin.jobs.export import export_job
from fedgin.settings import TrainingSettings, make_settings
from released_models import release_into

CONFIG = Path("app/config")
CLIENT, SERVER = "config_fed_client.json", "config_fed_server.json"


@pytest.fixture
def job(repository: Path) -> Path:
    return repository / "jobs" / "fed_gin_heart_he"


def read(job: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((job / CONFIG / name).read_text())
    return content


def refused(job: Path, out: Path, *overrides: str, model: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        export_job(job, out, byoc=False, overrides=overrides, model=model)
    assert not out.exists()
    return str(caught.value)


def test_it_differs_from_the_plain_job_only_where_it_must(repository: Path, job: Path) -> None:
    plain = repository / "jobs" / "fed_gin_heart"
    assert read(job, "training.json") == read(plain, "training.json")
    ours, theirs = read(job, SERVER), read(plain, SERVER)
    for key in theirs.keys() - {"workflows", "components"}:
        assert ours[key] == theirs[key]
    ids = [{part["id"] for part in each["components"]} for each in (ours, theirs)]
    assert ids[0] - ids[1] == {"keys", "serialize_filter"}
    assert ids[1] <= ids[0]
    assert is_encrypted(ours)
    assert not is_encrypted(theirs)
    # A run that lacks keys or tenseal says so because this one comes first.
    for name in (SERVER, CLIENT):
        content = read(job, name)
        assert content["components"][0]["path"].endswith("EncryptionKeys")
        first = next(key for key in content if isinstance(content[key], list))
        assert first == "components"


def test_no_task_asks_for_a_site_s_own_model(job: Path) -> None:
    tasks = {task for part in read(job, CLIENT)["executors"] for task in part["tasks"]}
    assert tasks == {"train", "validate", "deliver"}
    filtered = {t for part in read(job, CLIENT)["task_result_filters"] for t in part["tasks"]}
    assert filtered == {"train", "validate"}


@pytest.mark.parametrize(
    "overrides",
    [
        ("weighting=cases", "max_weight_share=0.4", 'min_sites={"mr": 2}'),
        ("weighting=equal_per_modality", "algorithm=fedprox"),
        ("algorithm=fedbn", "normalization=batch"),
        ("normalization=instance_affine",),
    ],
)
def test_rules_that_need_no_look_into_an_update_can_be_set(
    job: Path, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    out = export_job(job, tmp_path / "out", byoc=False, overrides=overrides)
    components = {part["id"]: part for part in read(out, SERVER)["components"]}
    arguments = components["aggregator"]["args"]
    EncryptedAggregator(**arguments)  # the schema takes it
    for text in overrides:
        key, _, value = text.partition("=")
        if key in ("weighting", "max_weight_share"):
            assert str(arguments[key]) == value
        elif key == "min_sites":
            assert components["quorum"]["args"]["min_sites"] == {"ct": 1, "mr": 2}


@pytest.mark.parametrize(
    ("override", "key", "mend"),
    [
        ("algorithm=scaffold", "algorithm", "set another algorithm"),
        ("normalization=batch", "normalization", "algorithm=fedbn"),
        ("augmentation=dual_normalization", "augmentation", "algorithm=fedbn"),
    ],
)
def test_training_that_needs_more_than_a_mean_is_refused(
    job: Path, tmp_path: Path, override: str, key: str, mend: str
) -> None:
    said = refused(job, tmp_path / "out", override)
    assert said.startswith(f"{key}: ")
    assert override.partition("=")[2] in said
    assert mend in said


def test_a_rule_that_looks_into_updates_is_refused_by_its_name(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever rule is added later is refused unless it is known to need only the meta.
    monkeypatch.setitem(rules.PLACES, "look_inside", "fedgin.flare.somewhere.Else")
    said = refused(job, tmp_path / "out", "look_inside=true")
    assert said.startswith("--set look_inside: ")
    assert "cannot look into an update" in said
    assert "jobs/fed_gin_heart" in said


def test_every_rule_of_the_server_is_possible_or_refused(job: Path, tmp_path: Path) -> None:
    assert set(rules.PLACES) >= encrypted.POSSIBLE_RULES
    for number, key in enumerate(sorted(set(rules.PLACES) - encrypted.POSSIBLE_RULES)):
        said = refused(job, tmp_path / str(number), f"{key}=1")
        assert f"--set {key}: " in said


@pytest.mark.parametrize("assignment", ["upload_precision=float16", "keep_local=.*bias"])
def test_a_filter_that_the_upload_settings_ask_for_is_refused(
    job: Path, tmp_path: Path, assignment: str
) -> None:
    said = refused(job, tmp_path / "out", assignment)
    assert said.startswith(f"--set {assignment.partition('=')[0]}: ")


def test_a_component_that_looks_into_updates_is_refused(job: Path) -> None:
    server = read(job, SERVER)
    server["components"].append({"id": "gate", "path": "fedgin.flare.gates.Gate", "args": {}})
    with pytest.raises(ConfigError, match=r"component for 'gate'.*fedgin\.flare\.gates\.Gate"):
        check_encrypted(
            server,
            read(job, CLIENT),
            training=make_settings(task="heart").training,
            rules={},
            places={**rules.PLACES, "gate": "fedgin.flare.gates.Gate"},
            starts_from_model=False,
        )


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_filter_beside_the_three_is_refused(job: Path, place: int) -> None:
    client = read(job, CLIENT)
    filters = client["task_result_filters"][0]["filters"]
    filters.insert(place, {"path": "fedgin.flare.filters.half.HalfUpload", "args": {}})
    with pytest.raises(ConfigError, match=r"task_result_filters of 'train'.*float16.*HalfUpload"):
        _check(job, client)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_missing_filter_is_refused(job: Path, place: int) -> None:
    client = read(job, CLIENT)
    del client["task_result_filters"][0]["filters"][place]
    with pytest.raises(ConfigError, match="task_result_filters of 'train'"):
        _check(job, client)
    _check(job, read(job, CLIENT))


def _check(job: Path, client: dict[str, Any]) -> None:
    training: TrainingSettings = make_settings(task="heart").training
    check_encrypted(
        read(job, SERVER),
        client,
        training=training,
        rules={},
        places=rules.PLACES,
        starts_from_model=False,
    )


def test_it_cannot_start_from_a_model_that_the_server_could_read(job: Path, tmp_path: Path) -> None:
    model = release_into(tmp_path / "model", make_settings(task="heart"))
    said = refused(job, tmp_path / "out", model=model)
    assert said.startswith("--from: ")
    assert "leave it out" in said


def test_the_project_file_has_the_parameters_of_the_package(repository: Path) -> None:
    import yaml

    folder = repository / "poc" / "provision"
    plain, ours = (
        yaml.safe_load((folder / name).read_text()) for name in ("project.yml", "project_he.yml")
    )
    assert {k: v for k, v in ours.items() if k != "builders"} == {
        k: v for k, v in plain.items() if k != "builders"
    }
    paths = [part["path"].rpartition(".")[2] for part in ours["builders"]]
    assert paths.index("HEBuilder") < paths.index("SignatureBuilder")
    (added,) = (part for part in ours["builders"] if part not in plain["builders"])
    assert added["args"] == {
        "poly_modulus_degree": POLY_MODULUS_DEGREE,
        "coeff_mod_bit_sizes": list(COEFFICIENT_BITS),
        "scale_bits": SCALE_BITS,
    }


def test_sites_that_annotate_different_classes_go_with_encryption(
    job: Path, tmp_path: Path
) -> None:
    overrides = [
        "task=abdomen",
        'classes=["liver","spleen"]',
        "partial_labels=marginal",
        "distillation.weight=0.5",
    ]
    out = export_job(job, tmp_path / "out", byoc=False, overrides=overrides)
    assert read(out, "training.json")["distillation"] == {"weight": 0.5}
