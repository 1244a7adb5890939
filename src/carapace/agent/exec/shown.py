"""A command as a person sees it: all of it, and nothing in it can hide (advisories I04, I05)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

__all__ = ["shown_argv", "shown_text"]


def shown_argv(argv: Sequence[str]) -> str:
    """The arguments in a row, quoted so that their borders are seen."""
    return " ".join(_shown(one) for one in argv)


def shown_text(text: str) -> str:
    """A text with what cannot be seen, or turns the order of letters, written out."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _shown(argument: str) -> str:
    return shlex.quote(argument) if argument.isprintable() else json.dumps(argument)
