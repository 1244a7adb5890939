"""Signing accounts of chat services in and out: `channels.logout`, `web.login.*`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

__all__ = [
    "ChannelLogout",
    "LoggedOut",
    "WebLoginStart",
    "WebLoginStarted",
    "WebLoginWait",
    "WebLoginWaited",
]

_Name = Annotated[str, Meta(max_length=256)]
_Timeout = Annotated[int, Meta(ge=0, le=600_000)]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""


class ChannelLogout(_In):
    """Params of `channels.logout`; without an account the one of that name `default`."""

    channel: Annotated[str, Meta(min_length=1, max_length=256)]
    account_id: _Name | None = None


class LoggedOut(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Result of `channels.logout`.

    Attributes:
        cleared: Credentials were removed from the file.
        logged_out: None is left: the account cannot run again without new ones.
    """

    channel: str
    account_id: str
    cleared: bool
    logged_out: bool


class WebLoginStart(_In):
    """Params of `web.login.start`."""

    force: bool = False
    timeout_ms: _Timeout | None = None
    verbose: bool = False
    account_id: _Name | None = None


class WebLoginStarted(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Result of `web.login.start`: what to tell, and a picture to scan if there is one."""

    message: str
    qr_data_url: str | UnsetType = UNSET


class WebLoginWait(_In):
    """Params of `web.login.wait`."""

    timeout_ms: _Timeout = 120_000
    account_id: _Name | None = None


class WebLoginWaited(msgspec.Struct, frozen=True, rename="camel"):
    """Result of `web.login.wait`."""

    connected: bool
    message: str
