"""Strangers who ask to be let in on a chat, and who decides: `channels.pairing.*`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = [
    "AllowedSender",
    "PairingApprove",
    "PairingApproved",
    "PairingList",
    "PairingListing",
    "PairingReject",
    "PairingRejected",
    "PairingRevoke",
    "PairingRevoked",
    "PendingSender",
]

_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Code = Annotated[str, Meta(min_length=1, max_length=32)]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True):
    """What goes out: camel case, absent rather than null."""


class PairingList(_In):
    """Params of `channels.pairing.list`."""

    channel: _Name | None = None


class PairingApprove(_In):
    """Params of `channels.pairing.approve`: the code that the stranger was given."""

    channel: _Name
    code: _Code
    account_id: _Name | None = None


class PairingReject(_In):
    """Params of `channels.pairing.reject`."""

    channel: _Name
    code: _Code
    account_id: _Name | None = None


class PairingRevoke(_In):
    """Params of `channels.pairing.revoke`: somebody who was let in is a stranger again."""

    channel: _Name
    sender_id: _Name
    account_id: _Name | None = None


class PendingSender(_Out, kw_only=True):
    """Somebody who asks. The code itself is shown to them alone, in their chat."""

    channel: str
    account_id: str
    sender_id: str
    display_name: str | None = None
    requested_at_ms: int
    expires_at_ms: int


class AllowedSender(_Out, kw_only=True):
    """Somebody who was let in."""

    channel: str
    account_id: str
    sender_id: str
    approved_at_ms: int
    approved_by: str | None = None


class PairingListing(_Out, kw_only=True):
    """The answer to `channels.pairing.list`."""

    pending: list[PendingSender]
    allowed: list[AllowedSender]


class PairingApproved(_Out, kw_only=True):
    """The answer to `channels.pairing.approve`."""

    ok: bool
    channel: str
    account_id: str
    sender_id: str


class PairingRejected(_Out, kw_only=True):
    """The answer to `channels.pairing.reject`."""

    ok: bool


class PairingRevoked(_Out, kw_only=True):
    """The answer to `channels.pairing.revoke`; `ok` is false if they were not let in."""

    ok: bool
