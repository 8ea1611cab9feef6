"""Hostile saved networks do no harm, whichever way they come in: they are refused before TensorFlow is imported.

Each is tried in a process of its own, under an audit hook, beside files and a port that nothing may touch; the long
tests also trace its system calls where strace is present.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.hostile.case import Case
from support.hostile.corpus import ALWAYS, CASES
from support.hostile.ground import Ground
from support.hostile.reaching import REACHING
from support.hostile.servers import Seen, Servers

REMEDY = re.compile(r"^  \w+", re.MULTILINE)
OPTIONS = {"rounds": 1, "clients": 2, "engine": "deployment"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    traced = ("cold", "warm") if os.environ.get("TINYC_TEST_LONG") else ()
    started = Servers(tmp_path_factory.mktemp("hostile"), traced)
    yield started
    started.close()


def trials(
    cases: Iterable[Case], forms: Callable[[Case], Iterable[str]], always: Iterable[str] = ALWAYS
) -> pytest.MarkDecorator:
    """One test for each case and format; those that are not among `always` are long."""
    return pytest.mark.parametrize(
        ("name", "form"),
        [
            pytest.param(case.name, form, marks=() if case.name in always else pytest.mark.long)
            for case in cases
            for form in forms(case)
        ],
    )


def check_refusal(seen: Seen, case: Case, ground: Ground) -> None:
    """Nothing was touched, nothing heavy was imported, and one message says what is wrong and what to do."""
    assert seen.harm == ()
    assert (seen.code, seen.status) == (2, 0), seen.output
    assert seen.heavy == ()
    message = seen.output.replace(str(ground.folder), "")  # which has the case's name in it
    assert message.startswith("error: "), message
    assert re.search(case.says, message), message
    assert REMEDY.search(message), message
    assert "Traceback" not in message


HOSTILE = [case for case in CASES.values() if not case.harmless]


@trials(HOSTILE, lambda case: case.forms)
def test_a_plan_refuses(servers: Servers, name: str, form: str) -> None:
    case = CASES[name]
    ground = servers.ground(case, form)
    seen = servers.attempt("cold", ground, "plan")
    check_refusal(seen, case, ground)
    assert f"hostile.toml: source ({ground.network(form)}): " in seen.output


OWN = [CASES[name] for name in ALWAYS if "h5" in CASES[name].forms and name not in ("innocent", "polyglot")]


@trials([*OWN, *(case for case in REACHING if case not in OWN)], lambda _: ["h5"])
def test_what_tinyc_wrote_is_looked_at_again(servers: Servers, name: str, form: str) -> None:
    """A finished step of a run."""
    ground = servers.ground(CASES[name], form)
    check_refusal(servers.attempt("cold", ground, "stored", form=form), CASES[name], ground)


@trials([case for case in OWN if case not in REACHING], lambda _: ["h5"])
def test_the_architecture_of_a_job_is_looked_at(servers: Servers, name: str, form: str) -> None:
    """A terminal has TensorFlow for its training; the architecture is refused before anything is built of it."""
    ground = servers.ground(CASES[name], form)
    seen = servers.attempt("warm", ground, "federated", form=form, options=OPTIONS)
    check_refusal(replace(seen, heavy=()), CASES[name], ground)


@trials([*OWN, *(case for case in REACHING if case not in OWN)], lambda _: ["h5"])
def test_a_file_in_the_place_of_a_jobs_weights_is_not_opened(servers: Servers, name: str, form: str) -> None:
    """HDF5 can lead to other files; what comes from a server is no HDF5."""
    ground = servers.ground(CASES[name], form)
    seen = servers.attempt("warm", ground, "federated_file", form=form, options=OPTIONS)
    check_refusal(replace(seen, heavy=()), replace(CASES[name], says="federated job: is damaged"), ground)


def check_weights(servers: Servers, ground: Ground, case: Case, path: Path) -> None:
    """A network is built, so TensorFlow is there; the file is refused all the same."""
    seen = servers.attempt("warm", ground, "weights", weights=path.name)
    assert seen.harm == ()
    assert seen.code == 2, seen.output
    assert re.search(case.says, seen.output.replace(str(ground.folder), "")), seen.output
    assert REMEDY.search(seen.output), seen.output


@pytest.mark.parametrize("name_of_file", ["net.h5", "net.weights.h5"])
@trials(REACHING, lambda _: ["h5"])
def test_weights_are_refused(servers: Servers, name: str, form: str, name_of_file: str) -> None:
    ground = servers.ground(CASES[name], form)
    path = ground.network(form).rename(ground.run / name_of_file)
    check_weights(servers, ground, CASES[name], path)


def test_pickled_weights_are_refused(servers: Servers) -> None:
    ground = servers.ground(CASES["pickled"], "keras")
    with zipfile.ZipFile(ground.network("keras")) as archive:
        path = Path(archive.extract("model.weights.npz", ground.run))
    check_weights(servers, ground, CASES["pickled"], path)


@trials([case for case in CASES.values() if case.harmless], lambda case: case.forms)
def test_what_need_not_be_read_does_nothing(servers: Servers, name: str, form: str) -> None:
    """The network is read, and what is hostile beside it is not; an innocent one shows that the rest is readable."""
    seen = servers.attempt("warm", servers.ground(CASES[name], form), "read", form=form)
    assert (seen.code, seen.harm) == (0, ()), seen.output


PLAIN = ("rmtree", "pickled")
"""What the audit hook or a look at the files shows; some of the rest is read by C++, which strace alone sees."""


@trials(CASES.values(), lambda case: case.fires, PLAIN)
def test_keras_itself_does_the_harm(servers: Servers, name: str, form: str) -> None:
    """A case is one: without the gate something is touched, and the watch sees it."""
    seen = servers.attempt("warm", servers.ground(CASES[name], form), "load", form=form)
    if name not in PLAIN and not servers.log("warm").exists():
        pytest.skip("needs strace, and TINYC_TEST_LONG")
    assert seen.harm, seen.output
