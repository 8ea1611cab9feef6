"""What stands beside an epsilon: every promise with what it rests on."""

from __future__ import annotations

from tinyc.spec.privacy import Privacy
from tinyc.training.private.accounting import clients, examples
from tinyc.training.private.conditions import conditions, of_client_examples, of_distillation


def said(*sentences: list[str]) -> str:
    return " ".join(each for group in sentences for each in group)


def test_clients_drawn_by_number_are_not_called_poisson() -> None:
    text = said(conditions(Privacy(clip=1, noise=1, delta=1e-5), clients(1000, 50, 50, 1e-5)))
    assert "50 of the 1000 clients are drawn at random without replacement" in text
    assert "Add or remove one: with all that one client ever sends" in text
    assert "sees every update as the client made it" in text
    assert "numbers of examples are reported as they are" in text
    assert "not cryptographic" in text
    assert "knows the seed" in text
    assert "floating point" in text


def test_who_sees_updates_without_noise() -> None:
    schedule = clients(7, 7, 3, 1e-3)
    at_client = said(conditions(Privacy(clip=1, noise=1, delta=1e-3, where="client"), schedule))
    sealed = said(conditions(Privacy(clip=1, noise=1, delta=1e-3, where="client"), schedule, watcher="nobody"))
    assert "every clipped update without noise" in at_client
    assert "only if all that were planned answer" in sealed
    assert "must be trusted" not in sealed


def test_examples_have_no_server_and_say_how_they_are_drawn() -> None:
    privacy = Privacy(level="example", clip=1, noise=1, delta=1e-3)
    text = said(conditions(privacy, examples(500, 25, 10, 1e-3)), of_distillation(True), of_client_examples())
    assert "each of the 500 examples by itself with probability 0.05, 25 on average" in text
    assert "server clips" not in text
    assert "not the teacher" in text
    assert "no other pass" in text


def test_a_delta_that_gives_one_away_is_said() -> None:
    privacy = Privacy(level="example", clip=1, noise=1, delta=1e-3)
    assert "not below 1 / 2000 examples" in said(conditions(privacy, examples(2000, 25, 10, 1e-3)))
    assert "not below" not in said(conditions(privacy, examples(999, 25, 10, 1e-3)))


def test_noise_of_the_operating_system_is_not_called_seeded() -> None:
    text = said(conditions(Privacy(clip=1, noise=1, delta=1e-3), clients(7, 7, 3, 1e-3), secret=True))
    assert "operating system" in text
    assert "knows the seed" not in text
