"""The adapter to Flower (flwr) and Ray; nothing else in tinyc imports them.

Importing this package sets their switches before they are imported, and takes Flower's log off the terminal.
"""

from tinyc.federation.flower import environment, log

__all__ = ["environment", "log"]
