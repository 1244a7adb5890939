"""Recorded traces as values.

A trace file is `{name, method, cases: [{case, request, responses, events?, close?}]}`;
`events` holds frames, or `{tMs, frame}` where the recording was timed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Case", "Close", "Trace", "load_trace"]

Json = dict[str, Any]


class Close(msgspec.Struct, frozen=True, rename="camel"):
    """How the gateway closed the connection."""

    code: int
    reason: str = ""
    after_seconds: float | None = None


class Case(msgspec.Struct, frozen=True):
    """One exchange; `request` is a frame, a raw text that is no frame, or None for silence."""

    case: str
    request: Json | list[Any] | str | None
    responses: list[Json] = []
    events: list[Json] = []
    close: Close | None = None
    notes: str | None = None

    def frames(self) -> list[Json]:
        """The event frames without their times."""
        return [item.get("frame", item) for item in self.events]


class Trace(msgspec.Struct, frozen=True):
    """All cases of one method."""

    name: str
    method: str
    cases: list[Case]

    def case(self, name: str) -> Case:
        """The case of that name.

        Raises:
            KeyError: If there is none.
        """
        for case in self.cases:
            if case.case == name:
                return case
        raise KeyError(f"{self.name} has no case {name!r}")


def load_trace(folder: Path, name: str) -> Trace:
    """Read `<folder>/<name>.json`."""
    return msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=Trace)
