"""Where words came from and what they may cause: a value that travels with them.

A message from a chat, a web page, a webhook: each begins with one `Provenance`. Every run, tool
call, memory and delivery that follows from it carries the same value or a smaller one. Nothing
makes it larger: there is no function for that (advisory groups E and J).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from msgspec.structs import replace

from carapace.value import Value

__all__ = ["OWNER", "Authority", "Origin", "Provenance"]


class Origin(StrEnum):
    """What kind of door the words came through."""

    OPERATOR = "operator"  # one of our own clients, as the person who runs this gateway
    HTTP = "http"  # a program that holds our credential
    CHANNEL = "channel"  # a chat service
    HOOK = "hook"  # an inbound webhook
    SESSION = "session"  # another session's agent
    OUTSIDE = "outside"  # fetched text: a page, a file, a tool's output


class Authority(IntEnum):
    """What they may cause; a smaller number may do less."""

    NONE = 0  # data only: may not start anything
    OUTSIDE = 1  # unknown people and programs: reading tools at most
    GUEST = 2  # a member of an allowed group
    PAIRED = 3  # somebody the owner let in
    OWNER = 4  # the owner


class Provenance(Value, frozen=True, kw_only=True):
    """Origin and authority of some words.

    Attributes:
        origin: The door.
        authority: The most they may cause.
        channel: The chat service, if one.
        account: Which of our accounts there.
        sender_id: The platform's immutable id of who wrote it.
        conversation: The platform's id of where.
        lacks_admin: A client without `operator.admin` passed them on: what methods ask that
            scope for is not to be had by asking a model for it (row Q07).
    """

    origin: Origin
    authority: Authority
    channel: str | None = None
    account: str | None = None
    sender_id: str | None = None
    conversation: str | None = None
    lacks_admin: bool = False

    def shrunk(self, limit: Authority) -> Provenance:
        """The same, with at most `limit`."""
        return self if self.authority <= limit else replace(self, authority=limit)

    def without_admin(self) -> Provenance:
        """The same, of a client without `operator.admin`."""
        return self if self.lacks_admin else replace(self, lacks_admin=True)

    def through(self, origin: Origin, limit: Authority | None = None) -> Provenance:
        """What follows from these words through another door, with no more authority."""
        passed = replace(self, origin=origin)
        return passed if limit is None else passed.shrunk(limit)

    def joined(self, other: Provenance) -> Provenance:
        """Of words put together: the smaller authority, and only what both share (row E13)."""
        if self == other:
            return self
        smaller = self if self.authority <= other.authority else other
        return Provenance(
            origin=smaller.origin,
            authority=smaller.authority,
            channel=_same(self.channel, other.channel),
            account=_same(self.account, other.account),
            sender_id=_same(self.sender_id, other.sender_id),
            conversation=_same(self.conversation, other.conversation),
            lacks_admin=self.lacks_admin or other.lacks_admin,
        )


OWNER = Provenance(origin=Origin.OPERATOR, authority=Authority.OWNER)
"""The person who runs this gateway, at one of its own clients."""


def _same(one: str | None, other: str | None) -> str | None:
    return one if one == other else None
