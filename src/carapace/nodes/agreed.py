"""What persons agreed to be run on a node, until it is run: once, and only exactly that.

Pure; times are arguments. Clients ask with `exec.approval.request` and tell the node afterwards
that somebody agreed. Their word for it is not passed on (`system_run`): what the gateway itself was
answered is kept here, and gone when it was used (advisories B16, B17).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal

from carapace.value import Value

__all__ = ["KEEP_S", "Agreed", "Agreement", "Consent"]

KEEP_S: Final = 120.0
_MAX_ENTRIES: Final = 256

Consent = Literal["allow-once", "allow-always"]


class Agreement(Value, frozen=True):
    """What somebody was asked about.

    Attributes:
        caller_key: Who asked; nobody else can use the answer.
        command: As the person read it.
        cwd: Where, if a place was named.
        agent_id: For which agent, if one was named.
    """

    caller_key: str
    command: str
    cwd: str | None
    agent_id: str | None


class Agreed:
    """Agreements of the last two minutes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Agreement, tuple[Consent, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def note(self, agreement: Agreement, consent: Consent, now_s: float) -> None:
        """A person agreed."""
        self._kept.pop(agreement, None)
        self._kept[agreement] = (consent, now_s + KEEP_S)
        while len(self._kept) > _MAX_ENTRIES:
            self._kept.popitem(last=False)

    def take(self, agreement: Agreement, now_s: float) -> Consent | None:
        """How they agreed to exactly that; None if nobody did, or it was used."""
        found = self._kept.pop(agreement, None)
        return found[0] if found is not None and now_s < found[1] else None
