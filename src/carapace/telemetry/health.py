"""Readiness: named checks, each of which says why not.

Live ("the process answers") needs no check. Ready ("send me work") needs all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from carapace.telemetry.log import get_logger
from carapace.value import Value

__all__ = ["Readiness", "ReadinessReport"]

_log = get_logger(__name__)


class ReadinessReport(Value, frozen=True):
    """The answer of all checks at one moment.

    Attributes:
        reasons: Check name to what is wrong; empty means ready.
        checked: All check names, in the order they were added.
        notes: Check name to what is less than it could be, without being in the way.
    """

    reasons: dict[str, str]
    checked: tuple[str, ...]
    notes: dict[str, str] = msgspec.field(default_factory=dict[str, str])

    @property
    def is_ready(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons


class Readiness:
    """Collects the checks that rooms bring. A check answers from memory, at once."""

    __slots__ = ("_checks", "_optional")

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[], str | None]] = {}
        self._optional: set[str] = set()

    def add(self, name: str, check: Callable[[], str | None], *, is_optional: bool = False) -> None:
        """Ask `check` from now on: None is fine, text says why not.

        What is optional is told as a note and does not keep the gateway from being ready.

        Raises:
            ValueError: If there is a check of that name.
        """
        if name in self._checks:
            raise ValueError(f"readiness check {name} is added twice")
        self._checks[name] = check
        if is_optional:
            self._optional.add(name)

    def report(self) -> ReadinessReport:
        """Ask every check; one that raises counts as not ready."""
        found = {
            name: reason
            for name, check in self._checks.items()
            if (reason := _ask(name, check)) is not None
        }
        reasons = {name: text for name, text in found.items() if name not in self._optional}
        notes = {name: text for name, text in found.items() if name in self._optional}
        return ReadinessReport(reasons, tuple(self._checks), notes)


def _ask(name: str, check: Callable[[], str | None]) -> str | None:
    try:
        return check()
    except Exception:  # noqa: BLE001 - a broken check must not look like a healthy gateway
        _log.exception("readiness check failed", check=name)
        return "the check itself failed, see the log"
