"""Telling somebody that a piece of database work took long."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

__all__ = ["OnSlow", "tell"]

OnSlow = Callable[[str, float], None]
"""Told the name of a function and its seconds; called on a database thread."""


def tell(on_slow: OnSlow, name: str, elapsed_s: float) -> None:
    """Call `on_slow`, whatever it does.

    It runs on a thread that all reads or writes depend on: a listener with a fault must not
    end that thread, and there is nobody else to report it to.
    """
    with contextlib.suppress(Exception):
        on_slow(name, elapsed_s)
