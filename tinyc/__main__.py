"""The command: `tinyc`, or `python -m tinyc`."""

from __future__ import annotations

from tinyc.core import descriptors, interrupts


def main() -> None:
    """Run it; signals are taken over first, since the imports alone take longer than a quick Ctrl-C."""
    descriptors.open_closed()
    interrupts.install()
    try:
        from tinyc import cli  # signals are taken over first

        cli.main()
    except KeyboardInterrupt:
        interrupts.leave()


if __name__ == "__main__":
    main()
