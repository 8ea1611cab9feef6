"""Ctrl-C and SIGTERM at any moment: one line, the exit code, nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from support import small

LINE = "tinyc: exit 130 (interrupted; run the same command again to go on)"
HEAD = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs behind it with another
from tinyc import __main__
from tinyc.core import interrupts
from tinyc.run.commands import check
hit = lambda number=signal.SIGINT: os.kill(os.getpid(), number)
"""
TAIL = """
check.load = work
sys.argv = ["tinyc", "check", "resnet50-tiny"]
__main__.main()
"""


def ran(body: str) -> tuple[int, list[str]]:
    """Run `tinyc check` in a process, with a function `work` in the place of its work; its exit code and stderr."""
    code = HEAD + textwrap.dedent(body) + TAIL
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr.splitlines()


def test_four_quick_ones_leave_the_clean_up_whole() -> None:
    assert ran("""
        def work(*_):
            try:
                hit(), hit()
            finally:
                for _ in range(2):
                    hit()
                    time.sleep(0.01)
                print("cleaned up", file=sys.stderr)
    """) == (130, ["cleaned up", LINE])  # fmt: skip


def test_sigterm_is_said_too() -> None:
    code, lines = ran("def work(*_): hit(signal.SIGTERM)")
    assert (code, lines) == (143, ["tinyc: exit 143 (terminated; run the same command again to go on)"])


def test_one_that_a_destructor_drops_comes_again() -> None:
    assert ran("""
        class Dropping:
            def __del__(self):
                hit()
                time.sleep(0.01)

        def work(*_):
            thing = Dropping()
            del thing
            time.sleep(20)
    """) == (130, [LINE])  # fmt: skip


def test_one_that_a_library_drops_ends_the_process_all_the_same() -> None:
    """Also where standard error is sent elsewhere at that moment."""
    assert ran("""
        interrupts.PATIENCE_SECONDS = 0.3

        def work(*_):
            from tinyc.core.quiet import hushed
            with hushed():
                while True:
                    try:
                        hit()
                        time.sleep(20)
                    except BaseException:
                        pass
    """) == (130, [LINE])  # fmt: skip


def test_what_an_interrupt_leads_to_is_no_error_of_its_own() -> None:
    assert ran("""
        def work(*_):
            try:
                hit()
                time.sleep(1)
            except KeyboardInterrupt:
                raise ImportError("half imported")
    """) == (130, [LINE])  # fmt: skip


def test_the_exit_code_stays_where_a_text_that_is_compiled_is_interrupted() -> None:
    """Python ended itself by SIGINT then, as it does where nobody catches the interrupt."""
    assert ran("""def work(*_): exec("hit(); x = 1", globals())""") == (130, [LINE])


@pytest.mark.parametrize(("work", "code"), [("raise ValueError", 70), ("raise SystemExit(0)", 0)])
def test_one_that_comes_too_late_changes_nothing(work: str, code: int) -> None:
    found, lines = ran(f"""
        import atexit
        atexit.register(lambda: (hit(), time.sleep(0.01)))

        def work(*_):
            {work}
    """)
    assert found == code
    assert not any("Traceback" in line or "130" in line for line in lines)


def test_an_ignored_signal_stays_ignored() -> None:
    assert ran("""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

        def work(*_):
            hit()
            raise interrupts.__class__ and ValueError
    """)[0] == 70  # fmt: skip


def test_no_worker_survives_a_process_that_has_to_be_ended() -> None:
    code, lines = ran("""
        interrupts.PATIENCE_SECONDS = 0.3

        def work(*_):
            from tinyc.tflite.run.pool import Pool
            pool = Pool(1)
            pool.start()
            os.kill(pool.links[0].process.pid, signal.SIGSTOP)
            print(pool.links[0].process.pid, file=sys.stderr)
            while True:
                try:
                    hit()
                    time.sleep(20)
                except BaseException:
                    pass
    """)
    assert (code, lines[1:]) == (130, [LINE])
    until = time.monotonic() + 10
    while Path(f"/proc/{lines[0]}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{lines[0]}").exists()


def test_what_a_failure_leaves_behind_is_silent() -> None:
    """An archive that a full disk left open failed again in its destructor, with a traceback behind the message."""
    code, lines = ran("""
        import io, zipfile
        from tinyc.core.errors import MachineError

        def work(*_):
            stream = io.BytesIO()
            archive = zipfile.ZipFile(stream, "w")
            archive.writestr("a", b"b")
            stream.close()
            raise MachineError("here", "the disk is full")
    """)
    assert (code, lines) == (3, ["error: here: the disk is full", "tinyc: exit 3 (this machine)"])


@pytest.mark.long
def test_a_run_is_interrupted_anywhere_and_goes_on(tmp_path: Path) -> None:
    """Four quick ones, later in each run than in the one before; what is finished stays finished."""
    command = [sys.executable, "-m", "tinyc", "compress", str(small.write(tmp_path)), "--out", str(tmp_path / "runs")]
    for tenths in (1, 3, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(tenths / 10)
            for _ in range(4):
                process.send_signal(signal.SIGINT)
                time.sleep(0.01)
            said = process.communicate(timeout=60)[1]
        if process.returncode == 0:
            break
        assert (process.returncode, said.splitlines()) == (130, [LINE])
    assert subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    assert not list((tmp_path / "runs" / "small").glob(".writing-*"))


def test_importing_takes_no_time() -> None:
    """Until it is imported a Ctrl-C gives Python's own traceback, so it imports next to nothing."""
    code = "import sys; before = set(sys.modules); import tinyc.__main__; print(len(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert int(done.stdout) < 25
