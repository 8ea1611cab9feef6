"""The screens: a bar that waits, plain lines now and then, and silence."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text
from support.optional import not_none

from tinyc.core import progress
from tinyc.report.terminal import Live, Plain, Quiet, Screen, countdown, open_screen, pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def plain() -> tuple[Plain, Clock, io.StringIO]:
    clock, stream = Clock(), io.StringIO()
    return Plain(Console(file=stream, width=80, force_terminal=False), clock), clock, stream


def test_plain_says_every_tenth() -> None:
    screen, clock, stream = plain()
    with progress.task(screen, "distill", 1000):
        for _ in range(100):
            clock.now += 1.0
            screen.advance(10, "loss 0.5")
    said = stream.getvalue().splitlines()
    assert said[0] == "distill: 10 %, 10/s, 1 min 30 s left, loss 0.5"
    assert len(said) == 11
    assert said[-1] == "distill: done in 1 min 40 s"


def test_plain_breaks_a_long_silence() -> None:
    screen, clock, stream = plain()
    screen.start("source", 10_000)
    for _ in range(4):
        clock.now += 16.0
        screen.advance(1)
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == ["source: 0 %", "source: 0 %"]


def test_plain_is_silent_on_short_work_and_without_control_characters() -> None:
    screen, clock, stream = plain()
    with progress.task(screen, "quick", 10):
        for _ in range(10):
            clock.now += 0.1
            screen.advance(1)
    assert stream.getvalue() == ""
    screen.say("\x1b[31mred [bold]not markup[/bold] " + "x" * 100)
    assert stream.getvalue() == " [31mred [bold]not markup[/bold] " + "x" * 100 + "\n"


def live(patience: float) -> tuple[Live, io.StringIO]:
    stream = io.StringIO()
    return Live(Console(file=stream, width=80, force_terminal=True, color_system=None), patience), stream


def test_the_bar_waits_and_shows_rate_and_note_on_one_line() -> None:
    screen, stream = live(0.0)
    with progress.task(screen, "a title far too long for the width of this terminal, certainly", 100):
        not_none(screen._timer).join()
        screen.advance(20, "loss 0.412")
        screen.advance(20, "loss 0.312")
        not_none(screen._bar).refresh()
        screen.say("kept [line]")
    text = stream.getvalue()
    assert "…" in text
    assert " 40 %" in text
    assert "loss 0.312" in text
    assert "left" in text
    assert "kept [line]" in text


def test_the_bar_does_not_show_for_short_work() -> None:
    screen, stream = live(3600.0)
    with progress.task(screen, "short", 10):
        screen.advance(10)
    screen.start("first", 10)
    screen.start("second", 10)
    screen.finish()
    screen.finish()
    assert stream.getvalue() == ""


def test_quiet_and_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    quiet: Screen = open_screen(quiet=True)
    quiet.say("nothing")
    quiet.show([Text("nothing")])
    assert isinstance(quiet, Quiet)
    piped = open_screen()
    assert isinstance(piped, Plain)
    piped.show([Text("green", style="green")])
    assert capsys.readouterr().out == "green\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((400, 1000, 40.0), "40 %, 10/s, 1 min 00 s left"),
        ((1, 4, 8.0), "25 %, 0.12/s, 24 s left"),
        ((812, 0, 1.0), "812 done, 812/s"),
        ((0, 10, 0.0), "0 %, 0/s"),
    ],
)
def test_pace(arguments: tuple[int, int, float], text: str) -> None:
    assert pace(*arguments) == text


def test_countdown_is_in_whole_seconds() -> None:
    assert [countdown(seconds) for seconds in (0.4, 9.4, 75.0)] == ["0 s", "9 s", "1 min 15 s"]
