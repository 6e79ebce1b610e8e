"""Averages of ciphertexts against float64, and what the server's part of the keys can do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import tenseal

from fedgin.encryption.ciphertext import as_array, average_ciphertexts, read_vector
from fedgin.encryption.contexts import (
    COEFFICIENT_BITS,
    POLY_MODULUS_DEGREE,
    PRECISION,
    SCALE_BITS,
    Contexts,
    make_contexts,
)

SIZES = {"block_00000": 30_000, "block_00001": 10}
SHARES = {"a": 0.5, "b": 0.3, "c": 0.2}


@pytest.fixture(scope="module")
def keys() -> Contexts:
    return make_contexts()


@pytest.fixture(scope="module")
def site(keys: Contexts) -> Any:
    return tenseal.context_from(keys.client)


@pytest.fixture(scope="module")
def server(keys: Contexts) -> Any:
    return tenseal.context_from(keys.server)


def updates(seed: int, scale: float = 0.01) -> dict[str, dict[str, np.ndarray]]:
    generator = np.random.default_rng(seed)
    return {
        name: {block: generator.normal(size=size) * scale for block, size in SIZES.items()}
        for name in SHARES
    }


def seal(site: Any, update: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: as_array(tenseal.ckks_vector(site, array).serialize())
        for name, array in update.items()
    }


def functions(sealed: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    return {name: partial(sealed.__getitem__, name) for name in sealed}


def decrypt(site: Any, ciphertext: bytes, size: int) -> np.ndarray:
    return np.array(read_vector(site, ciphertext, size=size).decrypt())


def test_ten_rounds_stay_within_the_stated_precision_of_float64(site: Any, server: Any) -> None:
    truth = {name: np.random.default_rng(9).normal(size=size) for name, size in SIZES.items()}
    model: dict[str, Any] = {name: array.astype(np.float32) for name, array in truth.items()}
    truth = {name: array.astype(np.float64) for name, array in model.items()}
    for number in range(10):
        plain = updates(number)
        sealed = {name: seal(site, update) for name, update in plain.items()}
        mean = average_ciphertexts(
            functions(sealed),
            shares=SHARES,
            sizes=SIZES,
            context=server,
        )
        for name, size in SIZES.items():
            truth[name] = truth[name] + sum(SHARES[s] * plain[s][name] for s in SHARES)
            before = model[name]
            if isinstance(before, bytes):
                before = read_vector(server, before, size=size)
            model[name] = (mean[name] + before).serialize()
            worst = np.abs(decrypt(site, model[name], size) - truth[name]).max()
            assert worst < (number + 1) * PRECISION
            # Not better than the scheme can be: then nothing would have been encrypted.
            assert worst > 1e-12 or size < 1000


def test_the_order_of_arrival_does_not_matter_and_weights_are_the_shares(
    site: Any, server: Any
) -> None:
    sealed = {name: seal(site, update) for name, update in updates(1).items()}
    found = []
    for order in (("a", "b", "c"), ("c", "a", "b")):
        contributions = functions({name: sealed[name] for name in order})
        mean = average_ciphertexts(contributions, shares=SHARES, sizes=SIZES, context=server)
        found.append({name: vector.serialize() for name, vector in mean.items()})
    decrypted = [
        {name: decrypt(site, text, SIZES[name]) for name, text in each.items()} for each in found
    ]
    assert all(np.array_equal(decrypted[0][name], decrypted[1][name]) for name in SIZES)


def test_the_server_can_add_and_not_read(site: Any, server: Any) -> None:
    vector = read_vector(server, tenseal.ckks_vector(site, [1.0, 2.0]).serialize(), size=2)
    assert not server.has_secret_key()
    assert site.has_secret_key()
    with pytest.raises(ValueError, match=r"[Ss]ecret"):
        vector.decrypt()
    with pytest.raises(ValueError):
        (vector + vector).decrypt()
    with pytest.raises(Exception, match=r"[Ss]ecret"):
        server.secret_key()


def test_the_secret_key_is_not_in_the_server_s_context(keys: Contexts, site: Any) -> None:
    fresh = tenseal.ckks_vector(site, [1.5] * 100).serialize()
    other = tenseal.context_from(make_contexts().client)
    # Another federation's key decrypts to noise.
    wrong = np.array(tenseal.ckks_vector_from(other, fresh).decrypt())
    assert np.abs(wrong - 1.5).max() > 1
    # A part of a client's context that only the secret key explains: it is in no server's.
    with_key, without = (
        tenseal.context_from(keys.client).serialize(
            save_public_key=False,
            save_secret_key=secret,
            save_galois_keys=False,
            save_relin_keys=False,
        )
        for secret in (True, False)
    )
    own = with_key[len(without) + 64 : -64]
    assert len(own) > 10_000
    pieces = [own[start : start + 32] for start in range(0, len(own) - 32, 1024)]
    assert all(piece in keys.client for piece in pieces)
    assert not any(piece in keys.server for piece in pieces)


@pytest.mark.parametrize(
    ("broken", "words"),
    [(b"", "ciphertext"), (b"\x00" * 100, "ciphertext"), (b"no ciphertext at all" * 50, "keys")],
)
def test_what_is_no_ciphertext_is_refused(server: Any, broken: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_vector(server, broken, size=10)


def test_a_ciphertext_cut_short_or_of_another_length_is_refused(site: Any, server: Any) -> None:
    good = tenseal.ckks_vector(site, [1.0] * 10).serialize()
    assert read_vector(server, good, size=10).size() == 10
    for broken in (good[:-1], good[: len(good) // 2]):
        with pytest.raises(ValueError, match="no ciphertext"):
            read_vector(server, broken, size=10)
    with pytest.raises(ValueError, match="of 10 numbers, not 11"):
        read_vector(server, good, size=11)
    with pytest.raises(ValueError, match="nothing to average"):
        average_ciphertexts({}, shares={}, sizes={}, context=server)


def test_parameters_are_those_of_at_least_128_bits(keys: Contexts) -> None:
    # Homomorphic Encryption Standard (2018), table 1: largest bits of the modulus at degree 8192
    # for 128, 192 and 256 bits of classical security with a ternary secret.
    assert POLY_MODULUS_DEGREE == 8192
    assert sum(COEFFICIENT_BITS) <= {128: 218, 192: 152, 256: 118}[192]
    assert sum(COEFFICIENT_BITS[:-1]) > 2 * SCALE_BITS
    # SEAL holds the line itself: at degree 4096 the same modulus has less than 128 bits.
    with pytest.raises((ValueError, RuntimeError)):
        tenseal.context(
            tenseal.SCHEME_TYPE.CKKS,
            poly_modulus_degree=4096,
            coeff_mod_bit_sizes=list(COEFFICIENT_BITS),
            encryption_type=tenseal.ENCRYPTION_TYPE.SYMMETRIC,
        )


def test_the_size_of_a_full_vector_is_known(site: Any, server: Any) -> None:
    numbers = 2**16
    array = np.random.default_rng(0).normal(size=numbers) * 0.01
    begin = time.perf_counter()
    upload = tenseal.ckks_vector(site, array).serialize()
    encrypted = time.perf_counter() - begin
    sizes = {"block": numbers}
    mean = average_ciphertexts(
        {"a": lambda: {"block": as_array(upload)}}, shares={"a": 0.5}, sizes=sizes, context=server
    )
    download = mean["block"].serialize()
    up, down = len(upload) / numbers, len(download) / numbers
    sys.stdout.write(
        f"\nciphertext: {up:.1f} bytes a number to the server, {down:.1f} from it; float32 has 4: "
        f"{up / 4:.1f} and {down / 4:.1f} times as many; encryption "
        f"{encrypted / numbers * 1e6:.1f} s for 10^6 numbers\n"
    )
    assert 40 < up < 70
    assert 20 < down < 40
