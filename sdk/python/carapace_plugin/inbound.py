"""What happened on a chat service; with the receipt in hand the service may be told."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

from carapace_plugin.host import call

__all__ = ["Attachment", "ChatType", "Kind", "Message", "Status", "deliver"]

Kind = Literal["message", "edit", "delete", "reaction", "pin", "member", "callback"]
ChatType = Literal["direct", "group", "channel", "unknown"]
Status = Literal["accepted", "duplicate", "buffered", "asked", "handled", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that came with a message: where to fetch it, or where it was stored."""

    url: str | None = None
    handle: str | None = None
    content_type: str | None = None
    filename: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event of a chat; ids are the service's own."""

    account: str
    message_id: str
    conversation_id: str
    sender_id: str
    text: str
    kind: Kind = "message"
    chat_type: ChatType = "direct"
    thread_id: str | None = None
    space_id: str | None = None
    label: str | None = None
    sender_name: str | None = None
    sender_is_bot: bool = False
    sent_at_ms: float | None = None
    mentions_us: bool = False
    quote_id: str | None = None
    quote_sender_id: str | None = None
    quote_text: str | None = None
    about_message_id: str | None = None
    attachments: list[Attachment] = field(default_factory=list)


def deliver(message: Message) -> Status:
    """Hand it to the gateway, which writes it down before this returns.

    Raises:
        HostError: If it could not be written down; then do not tell the service.
    """
    status: Status = call("inbound", "deliver", asdict(message))
    return status
