"""Where a run is seen: a live bar and lines in a terminal, plain lines anywhere else, nothing with --json."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.progress import Task as BarTask
from rich.table import Column
from rich.text import Text

from tinyc.core import progress, units
from tinyc.report.plain import plain

PATIENCE_SECONDS = 2.0
SILENCE_SECONDS = 30.0
PLAIN_WIDTH = 120
Clock = Callable[[], float]


class Screen(progress.Progress, Protocol):
    """What the commands show a run on: a `Progress` that takes finished lines too."""

    @property
    def width(self) -> int:
        """How many columns a line may use."""

    def show(self, lines: Iterable[Text]) -> None:
        """Show lines that stay, such as those of `tinyc.report.lines`."""


def open_screen(quiet: bool = False) -> Screen:
    """Choose the screen: nothing for --json, a live one on a terminal, plain lines for a pipe or a file."""
    if quiet:
        return Quiet()
    console = Console(highlight=False)
    if console.file.isatty() and console.is_interactive:
        return Live(console)
    return Plain(Console(highlight=False, force_terminal=False, no_color=True, width=PLAIN_WIDTH))


class Quiet(progress.Silent):
    """Show nothing: with --json the report alone goes to standard output."""

    width = PLAIN_WIDTH

    def show(self, lines: Iterable[Text]) -> None:
        """Drop the lines."""


class Live:
    """Show a bar with rate and time left for what lasts over two seconds, and lines that stay above it."""

    def __init__(self, console: Console, patience: float = PATIENCE_SECONDS) -> None:
        self._console = console
        self._patience = patience
        # The timer shows the bar from its own thread, since a first step may compile for long before it advances.
        self._lock = threading.Lock()
        self._bar: Bar | None = None
        self._timer: threading.Timer | None = None

    @property
    def width(self) -> int:
        return self._console.width

    def start(self, title: str, total: int) -> None:
        self.finish()
        bar = Bar(*_columns(), console=self._console, transient=True, expand=True, refresh_per_second=4)
        bar.add_task(plain(title), total=total or None, note="")
        timer = threading.Timer(self._patience, self._appear, (bar,))
        timer.daemon = True
        with self._lock:
            self._bar, self._timer = bar, timer
        timer.start()

    def advance(self, amount: int, note: str = "") -> None:
        bar = self._bar
        if bar is not None:
            bar.update(bar.task_ids[0], advance=amount, note=plain(note))

    def finish(self) -> None:
        with self._lock:
            bar, timer, self._bar, self._timer = self._bar, self._timer, None, None
        if timer is not None:
            timer.cancel()
        if bar is not None:
            bar.stop()

    def say(self, text: str) -> None:
        self.show([Text(plain(text))])

    def show(self, lines: Iterable[Text]) -> None:
        for line in lines:
            self._console.print(line, highlight=False)

    def _appear(self, bar: Bar) -> None:
        with self._lock:
            if self._bar is bar:
                bar.start()


class Plain:
    """Write plain lines without control characters: every tenth of a long task, and after half a minute of silence."""

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._title = ""
        self._total = 0
        self._done = 0
        self._shown = 0
        self._began = self._spoke = clock()

    @property
    def width(self) -> int:
        return self._console.width

    def start(self, title: str, total: int) -> None:
        self.finish()
        self._title, self._total, self._done, self._shown = plain(title), total, 0, 0
        self._began = self._spoke = self._clock()

    def advance(self, amount: int, note: str = "") -> None:
        self._done += amount
        now = self._clock()
        silent = now - self._spoke
        a_tenth_more = self._total > 0 and (self._done - self._shown) * 10 >= self._total
        if silent >= SILENCE_SECONDS or (a_tenth_more and silent >= PATIENCE_SECONDS):
            self._spoke, self._shown = now, self._done
            self.say(f"{self._title}: {pace(self._done, self._total, now - self._began)}{note and ', ' + note}")

    def finish(self) -> None:
        if self._title and self._shown:
            self.say(f"{self._title}: done in {units.show_seconds(self._clock() - self._began)}")
        self._title = ""

    def say(self, text: str) -> None:
        self.show([Text(plain(text))])

    def show(self, lines: Iterable[Text]) -> None:
        for line in lines:
            # Soft wrap: a file or a pipe has no edge, and a cut line is hard to search.
            self._console.print(line, soft_wrap=True, highlight=False)


def pace(done: int, total: int, seconds: float) -> str:
    """Write "40 %, 812/s, 38 s left"; `total` 0 means unknown."""
    rate = done / seconds if seconds > 0 else 0.0
    speed = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"
    if total <= 0:
        return f"{done:,} done, {speed}"
    left = f", {countdown((total - done) / rate)} left" if rate else ""
    return f"{done / total:.0%}".replace("%", " %") + f", {speed}{left}"


def countdown(seconds: float) -> str:
    """Write the time left in whole seconds."""
    return f"{seconds:.0f} s" if seconds < 10 else units.show_seconds(seconds)


class _Rate(ProgressColumn):
    """Examples a second, and the time left, as `pace` spells them."""

    def render(self, task: BarTask) -> Text:
        speed = task.speed or task.finished_speed
        if not speed:
            return Text("")
        rate = f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.2g}/s"
        left = task.time_remaining
        return Text(rate if left is None else f"{rate}, {countdown(left)} left")


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=3)),
        BarColumn(bar_width=None, table_column=Column(ratio=2, min_width=8)),
        TaskProgressColumn("{task.percentage:>3.0f} %"),
        _Rate(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
