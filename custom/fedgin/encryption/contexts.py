"""CKKS parameters, and contexts made from them: a site's with the secret key, the server's without.

CKKS (Cheon, Kim, Kim, Song, ASIACRYPT 2017) computes on vectors of approximate numbers. The ring
has degree 8192, so one ciphertext holds 4096 numbers; its moduli have 60 + 40 + 40 = 140 bits. The
Homomorphic Encryption Standard (2018, table 1, ternary secret) allows 152 bits at this degree for
192 bits of classical security and 218 for 128. The scale is 2^40, and one modulus of 40 bits pays
for the one multiplication of a round, by the sites' shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fedgin.encryption.backend import load_tenseal

POLY_MODULUS_DEGREE = 8192
COEFFICIENT_BITS = (60, 40, 40)
SCALE_BITS = 40

CLIENT_FILE, SERVER_FILE = "client_context.tenseal", "server_context.tenseal"
"""Names of the contexts in a kit's `startup` folder, as FLARE's HEBuilder writes them."""

PRECISION = 2.0**-22
"""Largest absolute error of a weight that one encrypted round adds, 2.4e-7.

The error comes from rounding at the scale of 2^40 and does not depend on the weight's size. On
10^6 normal weights and updates the largest of a round is about 6e-8.
"""
LARGEST = 2.0**15
"""Numbers from here on are not encrypted: they and their sums would leave the modulus."""


@dataclass(frozen=True)
class Contexts:
    """A federation's contexts, serialized.

    Attributes:
        client: Keys and parameters of a site, the secret key among them.
        server: Parameters and relinearization keys, which decrypt nothing.
    """

    client: bytes
    server: bytes


def make_contexts() -> Contexts:
    """Draws new keys; the same parameters and parts as FLARE's HEBuilder.

    Raises:
        ConfigError: tenseal is not installed.
    """
    tenseal = load_tenseal()
    context = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS,
        poly_modulus_degree=POLY_MODULUS_DEGREE,
        coeff_mod_bit_sizes=list(COEFFICIENT_BITS),
        encryption_type=tenseal.ENCRYPTION_TYPE.SYMMETRIC,
    )
    context.generate_relin_keys()
    context.global_scale = 2**SCALE_BITS
    return Contexts(
        client=_serialize(context, secret=True), server=_serialize(context, secret=False)
    )


def _serialize(context: Any, *, secret: bool) -> bytes:
    return bytes(
        context.serialize(
            save_public_key=secret,
            save_secret_key=secret,
            save_galois_keys=False,
            save_relin_keys=True,
        )
    )
