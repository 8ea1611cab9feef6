"""Averages under encryption: equal to plain ones, closed to the server, and loud where something is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import tenseal
from numpy.typing import NDArray
from support import clients, faking

from tinyc.core.errors import UserError
from tinyc.federation import exchange, tensors
from tinyc.federation.client.in_process import InProcess
from tinyc.federation.client.round import Client
from tinyc.federation.flower.messages import Content
from tinyc.federation.privacy import ciphertexts
from tinyc.federation.privacy.encryption import Encryption, Sealing
from tinyc.federation.rounds import loop
from tinyc.federation.rounds.server import Finished, Server
from tinyc.federation.updates import Answer, Update, Updates, is_sealed
from tinyc.training.private import client_budget

KEYS = ciphertexts.make_keys()
OTHERS = ciphertexts.make_keys()
CLIENTS = ciphertexts.read_key(KEYS.clients, "clients.key")
SERVER = ciphertexts.read_key(KEYS.server, "server.key")
LENGTH = 5000  # two ciphertexts


def vectors(count: int, scale: float = 0.1) -> list[NDArray[Any]]:
    draw = np.random.default_rng(4)
    return [draw.normal(0, scale, LENGTH) for _ in range(count)]


def raw(content: bytes | bytearray) -> Any:
    return np.frombuffer(content, np.uint8)


def zero() -> dict[str, Any]:
    return ciphertexts.total(SERVER, np.zeros(LENGTH), 0)


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 900, 71), (60_000, 1, 59_999)])
def test_a_running_total_of_averages_is_exact(weights):
    total, plain = zero(), np.zeros(LENGTH)
    for many in (3, 2, 3):
        chosen, updates = weights[:many], vectors(many)
        sealed = [ciphertexts.encrypt(CLIENTS, each, n) for each, n in zip(updates, chosen, strict=True)]
        assert [ciphertexts.complaint(SERVER, each, LENGTH) for each in sealed] == [None] * many
        total = ciphertexts.advance(SERVER, total, sealed, sum(chosen))
        plain += np.average(updates, axis=0, weights=chosen)
    np.testing.assert_allclose(ciphertexts.decrypt(CLIENTS, total, LENGTH, 3, "a"), plain, atol=2e-7, rtol=0)


def test_the_average_of_large_values_is_not_scaled_by_a_modulus():
    """Rescaling divides by a prime that is a part in 10^7 off 2^40, which shows in large values alone."""
    total = ciphertexts.advance(SERVER, zero(), [ciphertexts.encrypt(CLIENTS, np.full(LENGTH, 1000.0), 1)], 1)
    opened = ciphertexts.decrypt(CLIENTS, total, LENGTH, 1, "a")
    np.testing.assert_allclose(opened, 1000, rtol=1e-8)


def test_the_server_cannot_open():
    sealed = ciphertexts.encrypt(CLIENTS, vectors(1)[0], 1)
    total = ciphertexts.advance(SERVER, zero(), [sealed], 1)
    assert not SERVER.opens
    assert not SERVER.context.has_secret_key()
    with pytest.raises(UserError, match="cannot open"):
        ciphertexts.decrypt(SERVER, total, LENGTH, 1, "server")
    for each in (*sealed.values(), *total.values()):
        with pytest.raises(ValueError, match="doesn't hold a secret_key"):
            ciphertexts._read(SERVER, each).decrypt()
    assert len(KEYS.clients) > len(KEYS.server)
    assert KEYS.clients not in KEYS.server
    assert "context" not in repr(CLIENTS)
    assert len(repr(KEYS)) < 20
    with pytest.raises(UserError, match="got the clients' key"):
        Sealing(CLIENTS, {}, clients.options())


def test_a_ciphertext_looks_nothing_like_its_update_and_never_twice_the_same():
    update = np.zeros(LENGTH)
    one, two = (ciphertexts.encrypt(CLIENTS, update, 1) for _ in range(2))
    for name in one:
        first, second = (each[name][-200_000:] for each in (one, two))
        # Each word of eight bytes has one that is smaller on average, so that frames that line up agree a little.
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
        assert np.bincount(first, minlength=256).min() > 0


def test_another_key_is_named():
    stranger = ciphertexts.read_key(OTHERS.clients, "x")
    sealed = ciphertexts.encrypt(stranger, vectors(1)[0], 1)
    assert f"{stranger.key} instead of {SERVER.key}" in str(ciphertexts.complaint(SERVER, sealed, LENGTH))
    with pytest.raises(UserError, match="encrypted with another key"):
        ciphertexts.decrypt(stranger, zero(), LENGTH, 0, "client 3")
    renamed = dict(zip(ciphertexts.names(SERVER.key, LENGTH), sealed.values(), strict=True))
    total = ciphertexts.advance(SERVER, zero(), [renamed], 1)
    with pytest.raises(UserError, match=r"client 3: .* do not open to a total of 1 rounds"):
        ciphertexts.decrypt(CLIENTS, total, LENGTH, 1, "client 3")


def test_what_was_altered_or_mixed_up_is_refused():
    total = ciphertexts.advance(SERVER, zero(), [ciphertexts.encrypt(CLIENTS, vectors(1)[0], 5)], 5)
    first = min(total)
    flipped = bytearray(total[first].tobytes())
    flipped[len(flipped) // 2] ^= 1
    for wrong in ({**total, first: raw(flipped)}, {**total, first: zero()[first]}, {**total, first: raw(b"no")}):
        with pytest.raises(UserError, match=r"client 1: .*(damaged|do not open)"):
            ciphertexts.decrypt(CLIENTS, wrong, LENGTH, 1, "client 1")
    with pytest.raises(UserError, match="total of 2 rounds"):
        ciphertexts.decrypt(CLIENTS, total, LENGTH, 2, "client 1")


def test_the_server_refuses_what_it_cannot_add():
    good = ciphertexts.encrypt(CLIENTS, vectors(1)[0], 1)
    first, last = sorted(good)
    short = raw(tenseal.ckks_vector(CLIENTS.context, [1.0]).serialize())
    for wrong, why in (
        ({first: good[first]}, "1 ciphertexts instead of 2"),
        ({**good, first: raw(b"")}, "0 values instead of 4096"),
        ({**good, first: good[first][:-9]}, "ciphertext .*00000: "),
        ({**good, first: raw(bytes(400_000))}, "400000 bytes"),
        ({**good, first: short}, "1 values instead of 4096"),
        ({**good, last: zero()[last]}, "ciphertext .*00001: "),
    ):
        problem = ciphertexts.complaint(SERVER, wrong, LENGTH)
        assert re.search(why, problem or ""), problem


def checked(content: bytes) -> Updates:
    start = {"w": np.zeros(LENGTH, np.float32)}
    answer = Answer("ann", content, 5, 0.5)
    return Sealing(SERVER, start, clients.options()).check(Updates(1, zero(), start, (answer,)))


def test_blocks_that_are_no_ciphertexts_are_refused_by_name():
    good = ciphertexts.encrypt(CLIENTS, vectors(1)[0], 1)
    assert set(checked(tensors.packed(good)).usable[0].weights) == set(good)
    for wrong, why in (
        (b"no block", "invalid|incomplete|small|deserializ"),
        (bytes(2_000_000), "its ciphertexts have 2000000 bytes"),
        (tensors.packed({**good, "w": np.ones(3, np.float32)}), "w is not encrypted"),
        (tensors.packed({"w": raw(b"mine")}), "1 ciphertexts instead of 2"),
    ):
        found = checked(wrong)
        assert not found.usable
        (rejected,) = found.rejected
        assert rejected.client == "ann"
        assert re.search(why, rejected.why, re.IGNORECASE), rejected


@pytest.mark.parametrize("value", [np.nan, np.inf, 2000.0])
def test_a_client_refuses_what_it_cannot_encrypt(value):
    with pytest.raises(UserError, match=r"not finite|beyond"):
        ciphertexts.encrypt(CLIENTS, np.array([value, 1.0]), 1)


def test_a_client_checks_its_own_update():
    start = {"w": np.ones(10, np.float32)}
    encryption = Encryption(CLIENTS, start, clients.options(max_update=2.0))

    def sent(value: float, size: int = 10) -> Update:
        return encryption(Update("ann", 1, start, {"w": np.full(size, value, np.float32)}, 5))

    assert is_sealed(sent(2.9).weights)
    with pytest.raises(UserError, match=r"ann: its update has norm 6.64, and max_update allows 6.32"):
        sent(3.1)
    with pytest.raises(UserError, match=r"ann: .*not finite"):
        sent(np.nan)
    with pytest.raises(UserError, match=r"ann: .*shapes"):
        sent(1.0, 9)


@pytest.mark.parametrize("wrong", [b"", b"a letter", KEYS.server[:-40], KEYS.server.replace(b"ckks ", b"ckks 0", 1)])
def test_what_is_no_key_is_named(wrong):
    with pytest.raises(UserError, match=r"old.key: is "):
        ciphertexts.read_key(wrong, "old.key")


@dataclass(frozen=True)
class Noisy:
    """A step before encryption, as client-level privacy has it."""

    def __call__(self, update: Update) -> Update:
        shift = {"c0": 0.01, "c1": -0.02, "c2": 0.03}.get(update.client, 0.0)
        return replace(update, weights={name: array + np.float32(shift) for name, array in update.weights.items()})


@dataclass(frozen=True)
class Absent(Client):
    """A client that has no data in its second round."""

    asked: list[int] = field(default_factory=list)

    def train(self, asked: Content, state: Content) -> Content:
        self.asked.append(1)
        if self.name == "c2" and len(self.asked) == 2:
            raise ValueError("the disk is away")
        return super().train(asked, state)


def federated(
    encrypted: bool, folder: Any = None, opens: bool = True, upto: int = 3, pair: Any = KEYS, **keys: Any
) -> Finished:
    """Train a real network at three clients, of which one has no data in the second round."""
    own_key, server_key = ciphertexts.read_key(pair.clients, "own"), ciphertexts.read_key(pair.server, "server")
    whole, model = clients.data(90), clients.network()
    job = clients.job(model, rounds=3, aggregation="homomorphic" if encrypted else "plain", **keys)
    start = clients.start(model)
    key = pair.clients if encrypted else None
    people = [Absent(f"c{node}", clients.part(whole, slice(node * 20, 30 + node * 30)), key) for node in range(3)]
    budget = faking.spending(lambda round: "as far as asked" if round > upto else None)
    server = Server(job.options, 1, job, start, 3, budget=budget, folder=folder)
    if encrypted:
        opening = Encryption(own_key, start, job.options) if opens else None
        server = replace(server, sealing=Sealing(server_key, start, job.options), opening=opening)
    server = replace(server, steps=exchange.at_server(server))
    return loop.run(server, InProcess(people))


CLIENT_PRIVACY = {"level": "client", "clip": 1.0, "noise": 1.0, "delta": 1e-3, "where": "client"}


@pytest.mark.parametrize("keys", [{}, {"privacy": CLIENT_PRIVACY}, {"strategy": "fedprox"}])
def test_encrypted_rounds_are_plain_rounds(keys, monkeypatch):
    if "privacy" in keys:  # the same shift in place of noise on both ways, and no average with noise at the server
        monkeypatch.setattr(exchange, "clipping", lambda job: Noisy())
        monkeypatch.setattr(client_budget, "by_shares", lambda options: True)
    plain, encrypted = federated(False, **keys), federated(True, **keys)
    answered = [each["answered"] for each in encrypted.facts["rounds"]]
    assert (
        answered
        == [each["answered"] for each in plain.facts["rounds"]]
        == [["c0", "c1", "c2"], ["c0", "c1"], answered[0]]
    )
    start = clients.start(clients.network())
    opened = encrypted.weights
    for name, array in plain.weights.items():
        assert opened[name].dtype == np.float32
        np.testing.assert_allclose(opened[name], array, atol=1e-6, rtol=0)
        assert np.max(np.abs(array - start[name])) > 1e-3
    up, down = (encrypted.facts["rounds"][0][each] for each in ("bytes_up", "bytes_down"))
    assert 3 * 230_000 < up < 3 * 240_000
    assert 3 * 130_000 < down < 3 * 240_000


def test_a_server_without_the_key_ends_with_what_a_key_holder_opens():
    closed, plain = federated(True, opens=False), federated(False)
    assert all(each.dtype == np.uint8 for each in closed.weights.values())
    key = Encryption(CLIENTS, clients.start(clients.network()), clients.options())
    opened = key.decrypt(closed.weights, 3, "here")
    for name, array in plain.weights.items():
        np.testing.assert_allclose(opened[name], array, atol=1e-6, rtol=0)


def test_a_killed_run_goes_on_under_a_new_key(tmp_path):
    """A simulation keeps no key: its checkpoints are in the clear, and the total is sealed anew."""
    whole = federated(True, folder=tmp_path / "whole")
    federated(True, folder=tmp_path / "cut", upto=2)
    stored = b"".join(each.read_bytes() for each in (tmp_path / "cut").rglob("*.npz"))
    assert stored
    assert b"ckks" not in stored
    went_on = federated(True, folder=tmp_path / "cut", pair=OTHERS)
    assert [each["round"] for each in went_on.facts["rounds"]] == [1, 2, 3]
    for name, array in whole.weights.items():
        np.testing.assert_allclose(went_on.weights[name], array, atol=1e-6, rtol=0)
