"""`/approve ID allow-once` typed in a chat: an owner's decision on a question that waits."""

from __future__ import annotations

from typing import Final

from carapace.agent.exec.pending import PendingApprovals
from carapace.errors import Refused
from carapace.protocol.approvals import ApprovalDecision
from carapace.provenance import Authority, Provenance

__all__ = ["settle"]

_WORDS: Final[dict[str, ApprovalDecision]] = {
    "allow-once": "allow-once",
    "allow": "allow-once",
    "once": "allow-once",
    "allow-always": "allow-always",
    "always": "allow-always",
    "deny": "deny",
    "block": "deny",
}
_DONE: Final[dict[ApprovalDecision, str]] = {
    "allow-once": "Allowed, this once.",
    "allow-always": "Allowed, and from now on without asking.",
    "deny": "Refused.",
}


def settle(pending: PendingApprovals, rest: str, words: Provenance) -> str | None:
    """Decide as an owner typed it.

    Args:
        pending: What waits.
        rest: What follows `/approve`: an id and a decision, in this order or the other.
        words: Of the message.

    Returns:
        What to answer; None if this is no decision about a question.
    """
    found = rest.split()
    if len(found) != 2:  # noqa: PLR2004 - an id and a decision
        return None
    first, second = found
    approval_id, decision = first, _WORDS.get(second.lower())
    if decision is None:
        approval_id, decision = second, _WORDS.get(first.lower())
    if decision is None:
        return None
    if words.authority is not Authority.OWNER:
        return "Only the owner decides what the assistant may do. Ask them."
    try:
        pending.resolve(approval_id, decision, f"{words.channel}:{words.sender_id}")
    except Refused:
        return "Nothing waits under that id: it was decided, or nobody did in time."
    return _DONE[decision]
