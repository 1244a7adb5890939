"""What strangers and owners read about being let in."""

from __future__ import annotations

from typing import Final

__all__ = ["APPROVED", "asked_text", "let_in_text", "rejected_text", "usage_text"]

APPROVED: Final = "You have been let in. Write your message again, it was not kept."


def asked_text(channel: str, account: str, sender_id: str, code: str) -> str:
    """For a stranger: what happened, why, and what to do.

    Args:
        channel: Where they wrote.
        account: Which of our accounts.
        sender_id: How the service knows them.
        code: Theirs, for the next hour.
    """
    where = channel if account == "default" else f"{channel} --account {account}"
    return (
        "This assistant does not know you, so your message was not read.\n\n"
        f"Your id here: {sender_id}\n"
        f"Your code: {code}\n\n"
        "Tell its owner the code within an hour, by a way by which they know that it is you. "
        f"They let you in with: cara pairing approve {where} {code}"
    )


def let_in_text(channel: str, sender_id: str) -> str:
    """For the owner, after `/approve`."""
    return f"{sender_id} may now write to the assistant on {channel}."


def rejected_text(channel: str, sender_id: str) -> str:
    """For the owner, after `/reject`."""
    return f"The request of {sender_id} on {channel} is forgotten; the code is worthless now."


def usage_text(verb: str) -> str:
    """For the owner, when the code is missing or makes no sense."""
    return (
        f"Write `/{verb} CODE` with the code that you were told, or `/{verb} CHANNEL CODE`. "
        "`cara pairing list` shows who asks."
    )
