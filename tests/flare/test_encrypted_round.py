"""An encrypted round with FLARE's own messages and HE components, against float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tenseal
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.app_common.abstract.model import make_model_learnable
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.decomposers.numpy_decomposers import NumpyArrayDecomposer
from nvflare.app_opt.he.model_shareable_generator import HEModelShareableGenerator
from nvflare.fuel.utils import fobs

from fedgin.encryption.ciphertext import as_array
from fedgin.encryption.contexts import CLIENT_FILE, PRECISION, SERVER_FILE, Contexts, make_contexts
from fedgin.encryption.packing import Layout, pack
from fedgin.engine.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fedgin.engine.weights import get_weights
from fedgin.flare.encryption.aggregator import EncryptedAggregator
from fedgin.flare.encryption.keys import EncryptionKeys, simulated_keys
from fedgin.flare.encryption.sealed_model import sealed_model
from fedgin.flare.encryption.site_filters import CiphertextOnly, PackUpdate, UnpackModel
from fedgin.networks import build_network
from fedgin.settings import make_settings
from plain_values import find_values

from .sealed import SETTINGS, Kits, make_kits, open_model, seal, with_job
from .test_aggregator import ROUND, Arrays, begin, context, message, record_of

assert context  # a fixture

SLICES = {"site-1": 30.0, "site-2": 10.0, "site-3": 60.0}


@pytest.fixture(scope="module", autouse=True)
def wire() -> None:
    """What FLARE registers before it sends arrays."""
    fobs.register(NumpyArrayDecomposer)


@pytest.fixture(scope="module")
def keys() -> Contexts:
    return make_contexts()


@pytest.fixture(scope="module")
def network() -> Arrays:
    return get_weights(build_network(make_settings(**SETTINGS)))


@pytest.fixture
def kits(tmp_path: Path, keys: Contexts, monkeypatch: pytest.MonkeyPatch) -> Kits:
    folder = tmp_path / "kits"
    folder.mkdir()
    return make_kits(folder, keys, monkeypatch)


@pytest.fixture
def server(context: FLContext, tmp_path: Path) -> FLContext:
    return with_job(context, tmp_path / "server_app")


def update(site: str, network: Arrays) -> Arrays:
    generator = np.random.default_rng(sorted(SLICES).index(site))
    return {
        name: (generator.normal(size=np.shape(array)) * 0.01).astype(np.float32)
        for name, array in network.items()
    }


def sealed(site: str, network: Arrays, server: FLContext, kits: Kits, **more: Any) -> Shareable:
    plain = message(site, weight=SLICES[site], data=update(site, network), **more)
    return addressed(seal(plain, server, kits), site)


def addressed(shareable: Shareable, site: str) -> Shareable:
    shareable.set_peer_props({ReservedKey.IDENTITY_NAME: site})
    return shareable


def started(server: FLContext, kits: Kits, **arguments: Any) -> EncryptedAggregator:
    kits.use(kits.server)
    aggregator = EncryptedAggregator(**arguments)
    aggregator.handle_event(EventType.START_RUN, server)
    return aggregator


def initial(network: Arrays) -> Any:
    return make_model_learnable(pack(network, Layout.of(network)), {})


@pytest.mark.parametrize("max_weight_share", [1.0, 0.5])
def test_two_rounds_agree_with_plain_float64_averaging(
    server: FLContext,
    kits: Kits,
    network: Arrays,
    tmp_path: Path,
    max_weight_share: float,
) -> None:
    aggregator = started(server, kits, max_weight_share=max_weight_share)
    generator = HEModelShareableGenerator()
    generator.handle_event(EventType.START_RUN, server)
    model = initial(network)
    truth = {name: array.astype(np.float64) for name, array in network.items()}
    # Slices 30 : 10 : 60; a share is at most 0.5, and the others keep their proportions.
    shares = {"site-1": 0.3, "site-2": 0.1, "site-3": 0.6}
    if max_weight_share == 0.5:
        shares = {"site-1": 0.375, "site-2": 0.125, "site-3": 0.5}
    for number in (ROUND, ROUND + 1):
        begin(server, number)
        server.set_prop(AppConstants.GLOBAL_MODEL, model, private=True, sticky=False)
        task = generator.learnable_to_shareable(model, server)
        received = open_model(fobs.loads(fobs.dumps(task)), server, kits)
        assert worst(received, truth) < 3 * PRECISION
        for site in sorted(SLICES, reverse=number == ROUND):
            sent = sealed(site, network, server, kits, round_number=number)
            assert aggregator.accept(sent, server)
        model = generator.shareable_to_learnable(aggregator.aggregate(server), server)
        for name in truth:
            truth[name] += sum(shares[s] * update(s, network)[name] for s in SLICES)
        assert not list(tmp_path.rglob("spool-*"))
        assert record_of(server).shares[number] == pytest.approx(shares)
    final = open_model(generator.learnable_to_shareable(model, server), server, kits)
    assert worst(final, truth) < 3 * PRECISION
    assert worst(final, network) > 0.01


def worst(found: Arrays, truth: Arrays) -> float:
    assert found.keys() == truth.keys()
    assert all(found[name].shape == np.shape(truth[name]) for name in truth)
    return max(float(np.abs(found[name] - truth[name]).max(initial=0)) for name in truth)


def test_nothing_but_ciphertext_and_the_known_meta_leaves_a_site(
    server: FLContext, kits: Kits, network: Arrays
) -> None:
    plain = message("site-1", weight=30, data=update("site-1", network))
    values = pack(update("site-1", network), Layout.of(network))["block_00000"]
    open_bytes = fobs.dumps(plain)
    assert update("site-1", network)["model.0.conv.unit0.conv.weight"].tobytes() in open_bytes
    sent = sealed("site-1", network, server, kits)
    data = from_shareable(sent).data
    assert all(isinstance(value, bytes) for value in data.values())
    leaving = fobs.dumps(sent)
    for dtype in (np.float32, np.float64):
        whole = values.astype(dtype).tobytes()
        step = 8 * np.dtype(dtype).itemsize
        assert not any(whole[at : at + step] in leaving for at in range(0, len(whole), step))
    secret = (kits.site / CLIENT_FILE).read_bytes()
    assert not any(secret[at : at + 64] in leaving for at in range(5000, len(secret) - 64, 4096))


@pytest.mark.parametrize(
    "result",
    [
        DXO(data_kind=DataKind.WEIGHTS, data={"w": np.ones(3)}),
        DXO(data_kind=DataKind.COLLECTION, data={}),
        DXO(data_kind=DataKind.WEIGHT_DIFF, data={"w": np.array([1.0, np.nan])}),
        DXO(data_kind=DataKind.WEIGHT_DIFF, data={"w": np.array([1.0, 1e6])}),
    ],
)
def test_what_cannot_be_encrypted_is_not_sent(result: DXO, server: FLContext, kits: Kits) -> None:
    with pytest.raises(ValueError):
        seal(result.to_shareable(), server, kits)


def test_the_last_filter_stops_an_update_that_the_encryptor_passed_on(
    server: FLContext, kits: Kits, network: Arrays
) -> None:
    plain = PackUpdate().process(message(data=update("site-1", network)), server)
    with pytest.raises(ValueError, match="is no ciphertext and must not leave"):
        CiphertextOnly().process(plain, server)
    # Half of it encrypted is not enough, nor is a lie about it.
    data = from_shareable(plain).data
    kits.use(kits.site)
    vector = tenseal.ckks_vector(
        tenseal.context_from((kits.site / CLIENT_FILE).read_bytes()), data["block_00000"]
    )
    half = DXO(
        data_kind=DataKind.WEIGHT_DIFF,
        data={"block_00000": vector, "block_00001": np.ones(3)},
        meta={MetaKey.PROCESSED_KEYS: {"block_00000": True, "block_00001": True}},
    )
    with pytest.raises(ValueError, match="block_00001 is no ciphertext"):
        CiphertextOnly().process(half.to_shareable(), server)
    unsaid = DXO(data_kind=DataKind.WEIGHT_DIFF, data={"block_00000": vector})
    with pytest.raises(ValueError, match="does not say"):
        CiphertextOnly().process(unsaid.to_shareable(), server)


def test_metrics_pass_and_an_error_code_travels_without_data(
    server: FLContext, kits: Kits, network: Arrays
) -> None:
    metrics = DXO(data_kind=DataKind.METRICS, data={"dice": 0.5}).to_shareable()
    assert from_shareable(seal(metrics, server, kits)).data == {"dice": 0.5}
    failed = message(data=update("site-1", network))
    failed.set_return_code(ReturnCode.EXECUTION_EXCEPTION)
    sent = seal(failed, server, kits)
    assert sent.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    with pytest.raises(ValueError):
        from_shareable(sent)
    empty = seal(make_reply(ReturnCode.TASK_ABORTED), server, kits)
    assert empty.get_return_code() == ReturnCode.TASK_ABORTED


def test_a_task_that_is_no_model_of_the_job_is_refused(server: FLContext, network: Arrays) -> None:
    good = pack(network, Layout.of(network))
    for data, kind in (
        (network, DataKind.WEIGHTS),
        ({**good, "more": np.ones(1)}, DataKind.WEIGHTS),
        (good, DataKind.WEIGHT_DIFF),
    ):
        with pytest.raises(ValueError):
            UnpackModel().process(DXO(data_kind=kind, data=data).to_shareable(), server)


def test_a_round_without_updates_fails_and_a_stopped_one_is_not_averaged(
    server: FLContext, kits: Kits, network: Arrays
) -> None:
    aggregator = started(server, kits)
    with pytest.raises(RuntimeError, match="no site contributed"):
        aggregator.aggregate(server)
    begin(server, ROUND + 1)
    assert aggregator.accept(
        sealed("site-1", network, server, kits, round_number=ROUND + 1), server
    )
    signal = Signal()
    signal.trigger("stopped")
    server.set_prop(ReservedKey.RUN_ABORT_SIGNAL, signal, private=True, sticky=False)
    assert from_shareable(aggregator.aggregate(server)).data == {}
    assert record_of(server).shares == {}


def test_keys_of_another_federation_open_noise_which_is_refused(
    server: FLContext, kits: Kits, network: Arrays
) -> None:
    aggregator = started(server, kits)
    generator = HEModelShareableGenerator()
    generator.handle_event(EventType.START_RUN, server)
    assert aggregator.accept(sealed("site-1", network, server, kits), server)
    server.set_prop(AppConstants.GLOBAL_MODEL, initial(network), private=True, sticky=False)
    model = generator.shareable_to_learnable(aggregator.aggregate(server), server)
    task = fobs.dumps(generator.learnable_to_shareable(model, server))
    assert open_model(fobs.loads(task), server, kits)
    (kits.site / CLIENT_FILE).write_bytes(make_contexts().client)
    with pytest.raises(ValueError, match="not below"):
        open_model(fobs.loads(task), server, kits)


def test_a_checkpoint_keeps_ciphertext_and_gives_back_what_the_sites_open(
    server: FLContext, kits: Kits, network: Arrays, tmp_path: Path
) -> None:
    sent = from_shareable(sealed("site-1", network, server, kits)).data
    kept = Checkpoint(
        lineage="0" * 32,
        finished_rounds=1,
        total_rounds=2,
        job={},
        weights={name: as_array(value).copy() for name, value in sent.items()},
    )
    save_checkpoint(kept, tmp_path / "after-round-00001.ckpt")
    content = sealed_model(load_checkpoint(tmp_path / "after-round-00001.ckpt").weights)
    assert content["model"] == sent
    dxo = DXO(data_kind=DataKind.WEIGHTS, data=content["model"], meta=content["meta_props"])
    opened = open_model(dxo.to_shareable(), server, kits)
    assert worst(opened, update("site-1", network)) < PRECISION
    # The initial model, which no site has encrypted, stays what it is.
    plain = pack(network, Layout.of(network))
    assert sealed_model(plain).keys() == {"model"}
    assert find_values(tmp_path, update("site-1", network)) == {}


def _break(what: str, sent: Shareable, other: Shareable) -> None:
    dxo = from_shareable(sent)
    (name,) = dxo.data
    if what == "plain":
        dxo.data[name] = np.zeros(10)
    elif what == "not marked":
        dxo.remove_meta_props([MetaKey.PROCESSED_ALGORITHM])
    elif what == "cut short":
        dxo.data[name] = dxo.data[name][:-50]
    elif what == "too few numbers":
        dxo.data[name] = from_shareable(other).data[name]
    elif what == "another name":
        dxo.data = {"other": dxo.data[name]}
    elif what == "weights":
        dxo.data_kind = DataKind.WEIGHTS
    elif what == "no modality":
        dxo.remove_meta_props(["fedgin_modality"])
    dxo.update_shareable(sent)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("plain", "block_00000 that is no ciphertext"),
        ("not marked", "an update that is not encrypted"),
        ("cut short", "no ciphertext of this federation's keys"),
        ("too few numbers", "a ciphertext of 3 numbers"),
        ("another name", "other vectors than the model's"),
        ("weights", "not an encrypted weight difference"),
        ("no modality", "neither CT nor MR"),
    ],
)
def test_the_server_refuses_what_is_no_encrypted_update_and_says_why(
    what: str, reason: str, server: FLContext, kits: Kits, network: Arrays
) -> None:
    aggregator = started(server, kits)
    sent = sealed("site-1", network, server, kits)
    short = seal(message("site-1", data={"w": np.ones(3, np.float32)}), server, kits)
    _break(what, sent, short)
    assert not aggregator.accept(sent, server)
    assert reason in record_of(server).refused[ROUND]["site-1"]
    assert aggregator.accept(sealed("site-2", network, server, kits), server)


def test_an_answer_to_another_round_or_a_second_one_is_refused(
    server: FLContext, kits: Kits, network: Arrays
) -> None:
    aggregator = started(server, kits)
    late = sealed("site-1", network, server, kits, round_number=ROUND - 1)
    assert not aggregator.accept(late, server)
    assert aggregator.accept(sealed("site-1", network, server, kits), server)
    assert not aggregator.accept(sealed("site-1", network, server, kits), server)
    assert "twice" in record_of(server).refused[ROUND]["site-1"]


def panics(fl_ctx: FLContext) -> list[str]:
    found: list[str] = fl_ctx.get_engine().panics
    return found


def test_a_kit_without_keys_stops_the_job_and_none_are_ever_drawn(
    server: FLContext, kits: Kits
) -> None:
    for kit in (kits.server, kits.site):
        for file in kit.iterdir():
            file.unlink()
    kits.use(kits.server)
    EncryptionKeys("server").handle_event(EventType.START_RUN, server)
    (reason,) = panics(server)
    assert f"startup/{SERVER_FILE}" in reason
    assert "project_he.yml" in reason
    assert list(kits.server.iterdir()) == []


def test_a_context_without_signature_is_refused_in_a_federation(
    context: FLContext, tmp_path: Path, kits: Kits
) -> None:
    secure = with_job(context, tmp_path / "secure", secure=True)
    kits.use(kits.server)
    EncryptionKeys("server").handle_event(EventType.START_RUN, secure)
    assert "NOT_SIGNED" in panics(secure)[0]


def test_a_server_that_holds_the_secret_key_stops_the_job(
    server: FLContext, kits: Kits, keys: Contexts
) -> None:
    (kits.server / SERVER_FILE).write_bytes(keys.client)
    started(server, kits)
    assert "the server never does" in panics(server)[0]


def test_the_first_participant_draws_the_simulator_s_keys_and_all_share_them(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "simulated_keys"
    first = {file.name: file.read_bytes() for file in simulated_keys(folder).iterdir()}
    second = {file.name: file.read_bytes() for file in simulated_keys(folder).iterdir()}
    assert first == second
    assert set(first) == {CLIENT_FILE, SERVER_FILE}
    assert folder.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["simulated_keys"]
