"""CKKS ciphertexts of a network's update: made, added, averaged and opened, with the key files they need.

CKKS (Cheon, Kim, Kim, Song, "Homomorphic encryption for arithmetic of approximate numbers", 2017) by TenSEAL: ring
degree 8192, moduli of 60, 40 and 60 bits, scale 2^40, which is 128-bit security by the homomorphic encryption
standard (at most 218 bits of modulus at that degree). One multiplication by a plain number fits: the average.

A vector travels in chunks. A chunk is one ciphertext of 4,096 slots: 4,095 values, and a last one that is the weight
it was multiplied with, so that an average ends in 1, and a running total in the number of rounds that are in it.
What was opened with another key, or altered on the way, does not end so.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyc.core.errors import MachineError, UserError
from tinyc.federation.updates import Array, Arrays

DEGREE, MODULI, SCALE = 8192, (60, 40, 60), 2.0**40
PRIME = 1099511480321  # SEAL's modulus of 40 bits: the largest prime below 2^40 that is 1 modulo 2 * DEGREE
SLOTS = DEGREE // 2
VALUES = SLOTS - 1
LARGEST = 2.0**10
LARGEST_TOTAL = 2.0**18
LARGEST_CIPHERTEXT_BYTES = 300_000
MAGIC = b"tinyc ckks "


@dataclass(frozen=True)
class Keys:
    """The two key files of a federation: `clients` opens ciphertexts, `server` can only add and average them."""

    clients: bytes = field(repr=False)
    server: bytes = field(repr=False)


@dataclass(frozen=True)
class Cipher:
    """A key file read: TenSEAL's context, the name that both files of a pair share, and whether it can open."""

    context: Any = field(repr=False)
    key: str
    opens: bool


def make_keys() -> Keys:
    """Make a new pair of key files; the randomness is SEAL's own and comes from the operating system."""
    seal = _tenseal()
    context = seal.context(seal.SCHEME_TYPE.CKKS, DEGREE, coeff_mod_bit_sizes=list(MODULI))
    context.global_scale = SCALE
    public, secret = _key(context, secret=False), _key(context, secret=True)
    name = hashlib.sha256(public).hexdigest()[:16].encode()
    return Keys(clients=MAGIC + name + b"\n" + secret, server=MAGIC + name + b"\n" + public)


@functools.lru_cache(4)
def read_key(content: bytes, where: str = "the key for averaging under encryption") -> Cipher:
    """Read a key file's bytes, once; `where` names it in errors.

    Raises:
        UserError: these are no key, or they are damaged.
    """
    head, _, stored = content.partition(b"\n")
    if not head.startswith(MAGIC) or not stored:
        raise UserError(where, "is no key of tinyc", "make a pair with `tinyc federate keys`")
    try:
        context = _tenseal().context_from(stored)
    except (ValueError, RuntimeError) as error:
        raise UserError(where, f"is damaged: {error}", "copy it again from where it was made") from error
    name = hashlib.sha256(_key(context, secret=False)).hexdigest()[:16]
    if name.encode() != head[len(MAGIC) :]:
        raise UserError(where, "is damaged: it is not the key that it says it is", "copy it again")
    return Cipher(context, name, bool(context.is_private()))


def names(key: str, length: int) -> list[str]:
    """Name the ciphertexts of a vector of `length` values under a key."""
    return [f"ckks.{key}.{index:05d}" for index in range(-(-length // VALUES))]


def encrypt(cipher: Cipher, vector: Array, weight: float) -> dict[str, Array]:
    """Encrypt `vector * weight`; gives about 235 kB for 4,095 values, and half of that after the average.

    Raises:
        UserError: a value is not finite, or too large for the scheme.
    """
    _refuse(vector, weight)
    chunks = _chunks(np.asarray(vector, np.float64), 1.0) * weight
    vectors = [_tenseal().ckks_vector(cipher.context, chunk) for chunk in chunks]
    return _sealed(cipher, vectors, vector.size)


def total(cipher: Cipher, vector: Array, rounds: int) -> dict[str, Array]:
    """Encrypt a running total with `rounds` averages in it, on the level of an average: the start, or a checkpoint."""
    _refuse(vector, 1.0)
    chunks = _chunks(np.asarray(vector, np.float64), float(rounds))
    vectors = [_tenseal().ckks_vector(cipher.context, chunk) * _factor(1.0) for chunk in chunks]
    return _sealed(cipher, vectors, vector.size)


def complaint(cipher: Cipher, sealed: Arrays, length: int) -> str | None:
    """Say what is wrong with a client's ciphertexts, as far as one without the key can see; None if nothing is."""
    wanted = names(cipher.key, length)
    if sorted(sealed) != wanted:
        foreign = sorted({name.split(".")[1] for name in sealed if name.startswith("ckks.") and name.count(".") == 2})
        if foreign and foreign != [cipher.key]:
            return f"encrypted with another key: {', '.join(foreign)} instead of {cipher.key}"
        return f"{len(sealed)} ciphertexts instead of {len(wanted)}, or not named as they should be"
    for name in wanted:
        if problem := _complaint(cipher, sealed[name]):
            return f"ciphertext {name}: {problem}"
    return None


def advance(cipher: Cipher, before: Arrays, answers: Sequence[Arrays], weight: float) -> dict[str, Array]:
    """Add the average of the answers, their sum over `weight`, to the running total; needs no secret key.

    Chunk by chunk, so that no more than two ciphertexts are in memory beside the messages.
    """
    factor = _factor(1.0 / weight)
    after = {}
    for name in sorted(before):
        average = _read(cipher, answers[0][name])
        for answer in answers[1:]:
            average.add_(_read(cipher, answer[name]))
        after[name] = _stored(_read(cipher, before[name]) + average * factor)
    return after


def decrypt(cipher: Cipher, sealed: Arrays, length: int, rounds: int, where: str) -> Array:
    """Open a running total with `rounds` averages in it: float64 (length,), within about 1e-8.

    Raises:
        UserError: this is the public key, or the ciphertexts are another key's, altered, or of another round.
    """
    if not cipher.opens:
        raise UserError(where, "the server's key cannot open ciphertexts", "give it the clients' key")
    problem = complaint(cipher, sealed, length) if sorted(sealed) != names(cipher.key, length) else None
    if problem:
        raise UserError(where, problem, "every client and the server need the files of one `tinyc federate keys`")
    values = np.empty((len(sealed), SLOTS), np.float64)
    for row, name in zip(values, names(cipher.key, length), strict=True):
        try:
            row[:] = _read(cipher, sealed[name]).decrypt()
        except (ValueError, RuntimeError) as error:
            raise UserError(where, f"ciphertext {name} is damaged: {error}", "") from error
    off = float(np.max(np.abs(values[:, -1] - rounds)))
    if not off < 1e-3 or not float(np.max(np.abs(values))) < LARGEST_TOTAL:
        raise UserError(
            where,
            f"the ciphertexts do not open to a total of {rounds} rounds: altered, mixed up, or another key's",
            "look at who stands between server and clients, and that all have one key",
        )
    return values[:, :VALUES].reshape(-1)[:length].copy()


def _chunks(vector: Array, mark: float) -> Array:
    count = -(-vector.size // VALUES)
    values = np.pad(vector, (0, count * VALUES - vector.size)).reshape(count, VALUES)
    return np.column_stack([values, np.full(count, mark)])


def _refuse(vector: Array, weight: float) -> None:
    if not np.all(np.isfinite(vector)) or not np.isfinite(weight) or not weight > 0:
        raise UserError("encryption", "the update has values that are not finite", "lower the learning rate")
    largest = float(np.max(np.abs(vector), initial=0.0))
    if largest > LARGEST or weight > 2**24:
        raise UserError(
            "encryption",
            f"an update of {largest:g} by {weight:g} examples is beyond what the ciphertexts hold",
            f"no weight may move by more than {LARGEST:g}, and no client have more than {2**24} examples",
        )


def _factor(factor: float) -> float:
    """Undo what rescaling by a prime near 2^40, instead of by 2^40, does to a product (a part in 10^7)."""
    return factor * (PRIME / SCALE)


def _complaint(cipher: Cipher, ciphertext: Array) -> str | None:
    if len(ciphertext) > LARGEST_CIPHERTEXT_BYTES:
        return f"{len(ciphertext)} bytes"
    try:
        vector = _read(cipher, ciphertext)
        size = vector.size()
        vector * 1.0  # what was multiplied before cannot be averaged
    except (ValueError, RuntimeError, TypeError) as error:
        return str(error)
    return None if size == SLOTS else f"{size} values instead of {SLOTS}"


def _read(cipher: Cipher, ciphertext: Array) -> Any:
    return _tenseal().ckks_vector_from(cipher.context, ciphertext.tobytes())


def _sealed(cipher: Cipher, vectors: list[Any], length: int) -> dict[str, Array]:
    return {name: _stored(each) for name, each in zip(names(cipher.key, length), vectors, strict=True)}


def _stored(vector: Any) -> Array:
    return np.frombuffer(vector.serialize(), np.uint8)


def _key(context: Any, secret: bool) -> bytes:
    return bytes(context.serialize(save_secret_key=secret, save_galois_keys=False, save_relin_keys=False))


def _tenseal() -> Any:
    try:
        import tenseal  # an extra of its own, which aggregation = "homomorphic" alone needs
    except ImportError as error:
        raise MachineError("aggregation", "TenSEAL is not installed", 'pip install "tinyc[privacy]"') from error
    return tenseal
