"""What a chat service has beside what its `ChannelInfo` says.

The house can say and hear more than most services can carry. A case about something that a
service lacks is asked all the same: it then wants to see that nothing is made up, and that what
cannot be carried is left out or refused, never sent as something else.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from msgspec.structs import replace

from carapace.channels.types import ChatType, EventKind, InboundMedia, InboundMessage
from support.channel_under_test import Seen

__all__ = ["EVERYTHING", "Claims"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The attributes say what there is; the default is a service that has everything.

    Attributes:
        threads: A conversation can have some, both ways.
        replies: A message can name the one that it answers, both ways.
        labels: A conversation has a label, and a space that it belongs to.
        empty_texts: A message without text or file is one.
        any_id: An id may be any text; else it is printable, without spaces and of `max_id`.
        max_id: The longest id otherwise.
        keys: The service is told our idempotency key.
        event_kinds: What it tells us of.
        chat_types: What it tells apart; what it does not is a group.
        files_in: The most files that come with a message.
        files_described: Name and type of a file come with it.
        files_type: What is known of every file otherwise.
        files_together: All files of a message go out in it, and not one in each.
        mention: The word in a text that means our account; None if the service marks that itself.
    """

    threads: bool = True
    replies: bool = True
    labels: bool = True
    empty_texts: bool = True
    any_id: bool = True
    max_id: int = 256
    keys: bool = True
    event_kinds: frozenset[EventKind] = frozenset(EventKind)
    chat_types: frozenset[ChatType] = frozenset(ChatType)
    files_in: int | None = None
    files_described: bool = True
    files_type: str | None = None
    files_together: bool = True
    mention: str | None = None

    def told(self, message: InboundMessage) -> InboundMessage | None:
        """What the house hears of it; None if it is nothing for the house."""
        if message.kind not in self.event_kinds or not self._takes_ids(message):
            return None
        if not (self.empty_texts or message.text.strip() or message.media):
            return None
        where = message.conversation
        chat_type = where.chat_type if where.chat_type in self.chat_types else ChatType.GROUP
        return replace(
            message,
            conversation=replace(
                where,
                chat_type=chat_type,
                thread_id=where.thread_id if self.threads else None,
                space_id=where.space_id if self.labels else None,
                label=where.label if self.labels else None,
            ),
            quote=message.quote if self.replies else None,
            about_message_id=message.about_message_id
            if self.event_kinds > {EventKind.MESSAGE}
            else None,
            media=tuple(self._file(one) for one in message.media[: self.files_in]),
        )

    def shown(self, seen: Seen) -> Seen:
        """What a person sees of it."""
        return dataclasses.replace(
            seen,
            thread=seen.thread if self.threads else None,
            reply_to=seen.reply_to if self.replies else None,
        )

    def calling(self, text: str) -> str:
        """`text`, so that our account is meant."""
        return text if self.mention is None else f"{self.mention} {text}"

    def _takes_ids(self, message: InboundMessage) -> bool:
        ids = (message.message_id, message.sender.id, message.conversation.id)
        return self.any_id or all(
            one.isprintable()
            and not any(char.isspace() for char in one)
            and len(one) <= self.max_id
            for one in ids
        )

    def _file(self, file: InboundMedia) -> InboundMedia:
        if self.files_described:
            return file
        return InboundMedia(url=file.url, content_type=self.files_type)


EVERYTHING = Claims()
