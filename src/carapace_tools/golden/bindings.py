"""Values that differ each time and are spoken of again: ids, tokens, devices.

A recording names a device by the id it had then, and approves a request by the id it got then.
What is sent has the values of today in their place; what is heard is read with those of the
recording, so that it can be compared.
"""

# Recorded JSON has any shape:
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

__all__ = ["Bindings", "at"]


class Bindings:
    """Recorded texts and what they are today."""

    def __init__(self) -> None:
        self._today: dict[str, str] = {}

    def bind(self, recorded: str, today: str) -> None:
        """From now on `recorded` means `today`; the last binding counts."""
        self._today[recorded] = today

    def to_send(self, value: Any) -> Any:
        """A recorded value as it is sent today."""
        return _swapped(value, self._today)

    def as_recorded(self, value: Any) -> Any:
        """What was heard, in the words of the recording."""
        return _swapped(value, {today: recorded for recorded, today in self._today.items()})


def at(value: Any, path: str) -> Any:
    """The value at `path`, with dots between names and positions.

    Raises:
        LookupError: If there is none.
    """
    for part in path.split("."):
        if isinstance(value, list) and part.isdigit():
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value[part]
        else:
            raise LookupError(f"there is no {part} in {path}")
    return value


def _swapped(value: Any, by: dict[str, str]) -> Any:
    """Whole texts only: a part of a text that happens to be equal is something else."""
    if isinstance(value, str):
        return by.get(value, value)
    if isinstance(value, list):
        return [_swapped(one, by) for one in value]
    if isinstance(value, dict):
        return {key: _swapped(one, by) for key, one in value.items()}
    return value
