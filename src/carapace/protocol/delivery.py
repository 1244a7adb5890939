"""Payload of `delivery`: what became of a message to a chat service."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["DeliveryEvent"]


class DeliveryEvent(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A message was delivered or given up; its words are not told here.

    Attributes:
        id: Of the outbox row.
        channel: Id of the channel.
        account: Which of our accounts there.
        conversation: The platform's id of where.
        state: How it ended.
        ts: When, in milliseconds since 1970.
        run_id: The run that wrote it.
        message_id: The platform's id of the message.
        may_be_repeat: It may be there twice.
        cause: Why it was given up: one of the causes of the outbox.
        reason: The same for people.
    """

    id: int
    channel: str
    account: str
    conversation: str
    state: Literal["delivered", "dead"]
    ts: int
    run_id: str | None = None
    message_id: str | None = None
    may_be_repeat: bool = False
    cause: str | None = None
    reason: str | None = None
