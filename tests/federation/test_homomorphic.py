"""Averages under encryption: equal to plain ones, closed to the server, and loud where something is wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tenseal
from support import clients

from tinyc.core.errors import UserError
from tinyc.federation import apps, ciphertexts, exchange, grid, homomorphic, homomorphic_server, rounds, strategies
from tinyc.federation.local import Trained
from tinyc.federation.server import Finished, Server

KEYS = homomorphic.make_keys()
OTHERS = homomorphic.make_keys()
CLIENTS = homomorphic.read_key(KEYS.clients, "clients.key")
SERVER = homomorphic.read_key(KEYS.server, "server.key")
LENGTH = 5000  # two ciphertexts


def vectors(count: int, scale: float = 0.1) -> list[np.ndarray]:
    draw = np.random.default_rng(4)
    return [draw.normal(0, scale, LENGTH) for _ in range(count)]


def zero() -> dict[str, bytes]:
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
        homomorphic_server.averaging()(cipher=CLIENTS)


def test_a_ciphertext_looks_nothing_like_its_update_and_never_twice_the_same():
    update = np.zeros(LENGTH)
    one, two = (ciphertexts.encrypt(CLIENTS, update, 1) for _ in range(2))
    for name in one:
        first, second = (np.frombuffer(each[name][-200_000:], np.uint8) for each in (one, two))
        # Each word of eight bytes has one that is smaller on average, so that frames that line up agree a little.
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
        assert np.bincount(first, minlength=256).min() > 0


def test_another_key_is_named():
    stranger = homomorphic.read_key(OTHERS.clients, "x")
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
    flipped = bytearray(total[first])
    flipped[len(flipped) // 2] ^= 1
    for wrong in ({**total, first: bytes(flipped)}, {**total, first: zero()[first]}, {**total, first: b"no"}):
        with pytest.raises(UserError, match=r"client 1: .*(damaged|do not open)"):
            ciphertexts.decrypt(CLIENTS, wrong, LENGTH, 1, "client 1")
    with pytest.raises(UserError, match="total of 2 rounds"):
        ciphertexts.decrypt(CLIENTS, total, LENGTH, 2, "client 1")


def test_the_server_refuses_what_it_cannot_add():
    good = ciphertexts.encrypt(CLIENTS, vectors(1)[0], 1)
    first, last = sorted(good)
    short = tenseal.ckks_vector(CLIENTS.context, [1.0]).serialize()
    for wrong, why in (
        ({first: good[first]}, "1 ciphertexts instead of 2"),
        ({**good, first: b""}, "0 values instead of 4096"),
        ({**good, first: good[first][:-9]}, "ciphertext .*00000: "),
        ({**good, first: bytes(400_000)}, "400000 bytes"),
        ({**good, first: short}, "1 values instead of 4096"),
        ({**good, last: zero()[last]}, "ciphertext .*00001: "),
    ):
        problem = ciphertexts.complaint(SERVER, wrong, LENGTH)
        assert re.search(why, problem or ""), problem


@pytest.mark.parametrize("value", [np.nan, np.inf, 2000.0])
def test_a_client_refuses_what_it_cannot_encrypt(value):
    with pytest.raises(UserError, match=r"not finite|beyond"):
        ciphertexts.encrypt(CLIENTS, np.array([value, 1.0]), 1)


def test_a_client_checks_its_own_update():
    start = {"w": np.ones(10, np.float32)}
    encryption = homomorphic.Encryption(CLIENTS, start, clients.options(max_update=2.0))
    encryption.protect(start, Trained({"w": np.full(10, 2.9, np.float32)}, 5, {}), 1, "ann")
    with pytest.raises(UserError, match=r"ann: its update has norm 6.64, and max_update allows 6.32"):
        encryption.protect(start, Trained({"w": np.full(10, 3.1, np.float32)}, 5, {}), 1, "ann")
    with pytest.raises(UserError, match=r"ann: .*not finite"):
        encryption.protect(start, Trained({"w": np.full(10, np.nan, np.float32)}, 5, {}), 1, "ann")
    with pytest.raises(UserError, match=r"ann: .*shapes"):
        encryption.protect(start, Trained({"w": np.ones(9, np.float32)}, 5, {}), 1, "ann")


@pytest.mark.parametrize("wrong", [b"", b"a letter", KEYS.server[:-40], KEYS.server.replace(b"ckks ", b"ckks 0", 1)])
def test_what_is_no_key_is_named(wrong):
    with pytest.raises(UserError, match=r"old.key: is "):
        homomorphic.read_key(wrong, "old.key")


class Noisy:
    """A protection before encryption, as client-level privacy has it."""

    def protect(self, received: Any, trained: Trained, round: int, client: str) -> dict[str, Any]:
        shift = {"c0": 0.01, "c1": -0.02, "c2": 0.03}.get(client, 0.0)
        return {name: array + np.float32(shift) for name, array in trained.arrays.items()}


def federated(
    encrypted: bool, folder: Any = None, opens: bool = True, upto: int = 3, pair: Any = KEYS, **keys: Any
) -> Finished:
    """Train a real network at three clients, of which one has no data in the second round."""
    own_key, server_key = homomorphic.read_key(pair.clients, "own"), homomorphic.read_key(pair.server, "server")
    whole, model = clients.data(90), clients.network()
    job = clients.job(model, rounds=3, aggregation="homomorphic" if encrypted else "plain", **keys)
    names, asked = ["c0", "c1", "c2"], {"c0": 0, "c1": 0, "c2": 0}
    start = exchange.values(exchange.travelling(model, (), "frozen"))

    def own(job: Any, context: Any) -> Any:
        node = context.node_config["partition-id"]
        asked[names[node]] += 1
        if node == 2 and asked["c2"] == 2:
            raise ValueError("the disk is away")
        return clients.part(whole, slice(node * 20, 30 + node * 30))

    chain: tuple[Any, ...] = (Noisy(),) if job.options.privacy else ()
    chain += (homomorphic.Encryption(own_key, start, job.options),) if encrypted else ()
    place = apps.Workplace(lambda context: names[context.node_config["partition-id"]], own, lambda job: chain)
    plain = strategies.strategy(job.options)
    server = Server(job.options, 1, job, start, plain, 3, folder=folder)
    server = replace(server, before_round=lambda round: "as far as asked" if round > upto else None)
    if encrypted:
        server = replace(
            server,
            strategy=strategies.strategy(job.options, homomorphic_server.averaging(), cipher=server_key),
            complaint=homomorphic_server.complaint(server_key),
            seal=homomorphic_server.sealing(server_key, start),
            unseal=homomorphic_server.unsealing(own_key, start, "federate") if opens else None,
        )
    return rounds.run(server, grid.InProcess(apps.client_app(place), names))


CLIENT_PRIVACY = {"level": "client", "clip": 1.0, "noise": 1.0, "delta": 1e-3, "where": "client"}


@pytest.mark.parametrize("keys", [{}, {"privacy": CLIENT_PRIVACY}, {"strategy": "fedprox"}])
def test_encrypted_rounds_are_plain_rounds(keys):
    plain, encrypted = federated(False, **keys), federated(True, **keys)
    answered = [each["answered"] for each in encrypted.facts["rounds"]]
    assert (
        answered
        == [each["answered"] for each in plain.facts["rounds"]]
        == [["c0", "c1", "c2"], ["c0", "c1"], answered[0]]
    )
    start = clients.start(clients.network())
    for name, array in plain.arrays.items():
        assert encrypted.arrays[name].dtype == np.float32
        np.testing.assert_allclose(encrypted.arrays[name], array, atol=1e-6, rtol=0)
        assert np.max(np.abs(array - start[name])) > 1e-3
    up, down = (encrypted.facts["rounds"][0][each] for each in ("bytes_up", "bytes_down"))
    assert 3 * 230_000 < up < 3 * 240_000
    assert 3 * 130_000 < down < 3 * 240_000


def test_a_server_without_the_key_ends_with_what_a_key_holder_opens():
    closed, plain = federated(True, opens=False), federated(False)
    assert all(isinstance(each, bytes) for each in closed.arrays.values())
    opened = homomorphic.final(CLIENTS, clients.start(clients.network()), closed.arrays, 3, "here")
    for name, array in plain.arrays.items():
        np.testing.assert_allclose(opened[name], array, atol=1e-6, rtol=0)


def test_a_killed_run_goes_on_under_a_new_key(tmp_path, monkeypatch):
    """A simulation keeps no key: its checkpoints are in the clear, and the total is sealed anew."""
    whole = federated(True, folder=tmp_path / "whole")
    from tinyc.federation import resume

    with monkeypatch.context() as patch:
        patch.setattr(resume, "forget", lambda server: None)
        federated(True, folder=tmp_path / "cut", upto=2)
    stored = b"".join(each.read_bytes() for each in (tmp_path / "cut").rglob("*.npz"))
    assert stored
    assert b"ckks" not in stored
    went_on = federated(True, folder=tmp_path / "cut", pair=OTHERS)
    assert [each["round"] for each in went_on.facts["rounds"]] == [1, 2, 3]
    for name, array in whole.arrays.items():
        np.testing.assert_allclose(went_on.arrays[name], array, atol=1e-6, rtol=0)
