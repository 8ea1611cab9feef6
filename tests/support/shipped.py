"""The files of models/, whose networks users build as well."""

from __future__ import annotations

from typing import Any

from support.pages import ROOT
from tinyc.spec.builders import load_module

RESNET, BERT = (ROOT / "models" / name for name in ("resnet.py", "bert.py"))


def resnet() -> Any:
    """The module of models/resnet.py."""
    return load_module(RESNET)


def bert() -> Any:
    """The module of models/bert.py."""
    return load_module(BERT)
