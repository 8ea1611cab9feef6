"""Ctrl-C and SIGTERM: the first ends the command, those after it change nothing, and a few seconds are the limit.

Python raises KeyboardInterrupt between two of its own instructions, so C++ may hold it up, and a library may drop it. A
thread therefore hears of the signal at once, and ends the process where nothing else has. All that a run stores is
whole or absent at every moment, so nothing is lost by that.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
WORDS = {130: "interrupted", 143: "terminated"}
PATIENCE_SECONDS = 10.0


class Interruption:
    """The signals that came, and how far the command's end has come.

    Attributes:
        installed: the signals come here.
        code: the exit code of the first signal, None before.
        ending: the command says how it ended, and no signal may break in.
        dropped: Python dropped the interrupt, and it is due again.
        said: the exit code that the last line gave, None before.
        voice: a descriptor of standard error that stays where it is.
        at_the_end: what is done before the process is ended from outside.
    """

    def __init__(self) -> None:
        self.installed = self.ending = self.dropped = False
        self.code: int | None = None
        self.said: int | None = None
        self.voice = 2
        self.at_the_end: list[Callable[[], None]] = []


STATE = Interruption()


def install() -> None:
    """Take over both signals in this process; one that is ignored, as under `nohup`, stays so."""
    if STATE.installed:
        return
    STATE.installed, STATE.voice = True, os.dup(2)
    taken = [number for number in CODES if signal.getsignal(number) is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, take)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    threading.Thread(target=watch, args=(read_end, taken), daemon=True).start()
    sys.unraisablehook = partial(drop, sys.unraisablehook)


def drop(show: Callable[[Any], object], dropped: Any) -> None:
    """Note an interrupt that came where nothing can be raised, as in a destructor, instead of a traceback.

    Once the command has said how it ended, nothing is shown: a file that a full disk left open fails again then.
    """
    if STATE.code is None and not STATE.ending:
        show(dropped)
    elif isinstance(dropped.exc_value, KeyboardInterrupt):
        STATE.dropped = True


def take(number: int, _: FrameType | None) -> None:
    """Interrupt the command at the first signal."""
    first = STATE.code is None
    STATE.code = STATE.code or CODES[signal.Signals(number)]
    if (first or STATE.dropped) and not STATE.ending:
        STATE.dropped = False
        raise KeyboardInterrupt


def watch(read_end: int, taken: list[signal.Signals]) -> None:
    """Wait for a signal, and end the process where it has not ended by itself some seconds later."""
    number = 0
    while number not in taken:
        number = os.read(read_end, 1)[0]
    main, until = threading.main_thread().ident or 0, time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if STATE.dropped:
            signal.pthread_kill(main, number)
        time.sleep(0.05)
    for action in STATE.at_the_end:
        action()
    if STATE.said is None:
        STATE.said = STATE.code or CODES[signal.Signals(number)]
        with suppress(OSError):
            os.write(STATE.voice, f"{line(STATE.said)}\n".encode())
    os._exit(STATE.said)


def end(code: int) -> None:
    """End the process with this exit code, which has been said; signals come too late now."""
    STATE.said = code
    for number in CODES:
        # Python gives other handlers back to the system as it ends, where a signal would change the exit code.
        signal.signal(number, signal.SIG_IGN)
    # An interrupt of a text that was compiled on the way, as dataclasses are made of, makes Python end itself by SIGINT
    # although it was caught; the next such text takes that back.
    exec("pass")
    sys.exit(code)


def leave() -> None:
    """End the process after a signal that no command could take."""
    STATE.ending = True
    code = STATE.code or 130
    if STATE.said is None:
        os.write(STATE.voice, f"{line(code)}\n".encode())
    end(code)


def line(code: int) -> str:
    """Return the last line of a command that a signal ended."""
    return f"tinyc: exit {code} ({WORDS[code]}; run the same command again to go on)"
