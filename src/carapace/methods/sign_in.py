"""`channels.logout`, `web.login.*`: signing accounts of chat services in and out.

Operators do this and nobody else: no tool of an agent leads here (advisory Q20).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from carapace.channels.accounts.settings import Branch, account_names, account_settings, branches
from carapace.channels.types import DEFAULT_ACCOUNT, ChannelInfo
from carapace.config.editor import EditError, unset_value
from carapace.config.located import Key
from carapace.config.settings.channels import AccountSettings, PluginAccountSettings
from carapace.errors import Refused
from carapace.methods.context import Context
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.protocol.plugin_setup import LoginStep
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.sign_in import (
    ChannelLogout,
    LoggedOut,
    WebLoginStart,
    WebLoginStarted,
    WebLoginWait,
    WebLoginWaited,
)

__all__ = ["METHODS"]

METHODS = Methods()
_NOBODY: Final = "web login provider is not available"
_PICTURE: Final = "data:image/"
_MAX_PICTURE_CHARS: Final = 262_144
_ASK_EVERY_S: Final = 1.0


@METHODS.method("channels.logout", scope=Scope.ADMIN)
async def channels_logout(ctx: Context, params: ChannelLogout) -> LoggedOut:
    """Cut an account off and remove its credentials from the configuration."""
    info = _channel(ctx, params.channel)
    account = (params.account_id or "").strip() or DEFAULT_ACCOUNT
    branch = branches(ctx.services.config.settings.channels).get(info.id)
    if branch is None or not _has_credentials(ctx, info.id, branch):
        raise Refused(f"channel {info.id} does not support logout")
    if account not in account_names(branch):
        raise Refused(f"There is no account {account[:60]} of {info.id}; see channels.status.")
    ctx.services.accounts.cut(info.id, account)
    cleared = _forget_credentials(ctx, info.id, account)
    ctx.services.web_login.forget(info.id, account)
    left = _still_there(ctx, info.id, account)
    return LoggedOut(
        channel=info.id, account_id=account, cleared=cleared, logged_out=cleared and not left
    )


@METHODS.method("web.login.start", scope=Scope.ADMIN, advertised=False)
async def web_login_start(ctx: Context, params: WebLoginStart) -> WebLoginStarted:
    """Begin to sign in at the chat service that offers it, and say what to show."""
    account = (params.account_id or "").strip() or DEFAULT_ACCOUNT
    nothing_to_do: LoginStep | None = None
    for info in ctx.services.accounts.infos():
        step = await _step(ctx, info.id, account, {"force": params.force})
        if step is not None and step.kind != "done":
            ctx.services.web_login.begin(info.id, account, is_done=False)
            return _shown(step)
        nothing_to_do = nothing_to_do or step
    if nothing_to_do is None:
        raise Refused(_NOBODY)
    return _shown(nothing_to_do)


@METHODS.method("web.login.wait", scope=Scope.ADMIN, advertised=False)
async def web_login_wait(ctx: Context, params: WebLoginWait) -> WebLoginWaited:
    """Wait until what `web.login.start` began is done, or for as long as was said."""
    account = (params.account_id or "").strip() or DEFAULT_ACCOUNT
    desk, clock = ctx.services.web_login, ctx.services.clock
    channel = desk.channel_of(account)
    if channel is None:
        if not _has_plugins(ctx):
            raise Refused(_NOBODY)
        return WebLoginWaited(connected=False, message="No active login in progress.")
    try:
        async with asyncio.timeout(params.timeout_ms / 1000):
            while not desk.is_done(channel, account):
                step = await _step(ctx, channel, account, {})
                if step is None or desk.channel_of(account) != channel:
                    desk.forget(channel, account)
                    return WebLoginWaited(connected=False, message="The login was given up.")
                if step.kind == "done":
                    desk.begin(channel, account, is_done=True)
                    break
                await clock.sleep(_ASK_EVERY_S)
    except TimeoutError:
        message = "Still waiting for the login; call web.login.wait again."
        return WebLoginWaited(connected=False, message=message)
    desk.forget(channel, account)
    return WebLoginWaited(connected=True, message=f"Signed in at {channel}.")


def _channel(ctx: Context, name: str) -> ChannelInfo:
    wanted = name.strip().lower()
    for info in ctx.services.accounts.infos():
        if wanted == info.id or wanted in info.aliases:
            return info
    raise Refused("invalid channels.logout channel")


def _has_credentials(ctx: Context, channel: str, branch: Branch) -> bool:
    """Whether its accounts are signed in at all: with credentials that the file may hold."""
    if isinstance(branch, PluginAccountSettings) and _is_plugin(ctx, channel):
        return bool(ctx.services.plugins.manifest(channel, "channel").permissions.credentials)
    return isinstance(branch, PluginAccountSettings) or bool(branch.CREDENTIALS)


def _names(account: AccountSettings) -> tuple[str, ...]:
    """The credentials that are there, as the file calls them."""
    if isinstance(account, PluginAccountSettings):
        return tuple(sorted(account.credentials()))
    shown = dict(zip(account.__struct_fields__, account.__struct_encode_fields__, strict=True))
    return tuple(shown[one] for one in account.CREDENTIALS if getattr(account, one) is not None)


def _forget_credentials(ctx: Context, channel: str, account: str) -> bool:
    """Take the credentials of an account out of the file; whether there were any."""
    config = ctx.services.config
    before = config.snapshot()
    text, removed = before.raw or "{}", 0
    for name in _present(ctx, channel, account):
        for place in _places(channel, account, name):
            try:
                text = unset_value(text, place)
            except EditError:
                continue
            removed += 1
    if removed:
        config.write(text, base_hash=before.hash)
    return removed > 0


def _present(ctx: Context, channel: str, account: str) -> tuple[str, ...]:
    settings = ctx.services.config.settings.channels
    branch = branches(settings).get(channel)
    found = None if branch is None else account_settings(settings.defaults, branch, account)
    return () if found is None else _names(found)


def _places(channel: str, account: str, name: str) -> tuple[Key, ...]:
    """Where a credential of this account may stand in the file."""
    own: Key = ("channels", channel, "accounts", account, name)
    return (own, ("channels", channel, name)) if account == DEFAULT_ACCOUNT else (own,)


def _still_there(ctx: Context, channel: str, account: str) -> bool:
    """A variable or an included file may give it all the same."""
    return bool(_present(ctx, channel, account))


def _has_plugins(ctx: Context) -> bool:
    return any(_is_plugin(ctx, info.id) for info in ctx.services.accounts.infos())


def _is_plugin(ctx: Context, channel: str) -> bool:
    try:
        ctx.services.plugins.manifest(channel, "channel")
    except Refused:
        return False
    return True


async def _step(
    ctx: Context, channel: str, account: str, answer: dict[str, Any]
) -> LoginStep | None:
    """The next step at a channel; None if it is no plugin or offers no login."""
    if not _is_plugin(ctx, channel):
        return None
    guest = ctx.services.plugins.guest(channel, "channel")
    given = msgspec.json.encode(answer).decode()
    try:
        return msgspec.convert(await guest.call("channel", "login", account, given), LoginStep)
    except (GuestError, GuestTrap, PluginUnavailable, msgspec.ValidationError):
        return None


def _shown(step: LoginStep) -> WebLoginStarted:
    is_picture = step.kind == "qr" and step.data.startswith(_PICTURE)
    if is_picture and len(step.data) <= _MAX_PICTURE_CHARS:
        return WebLoginStarted(message=step.text, qr_data_url=step.data)
    parts = [step.text, "" if is_picture else step.data]
    return WebLoginStarted(message="\n".join(part for part in parts if part) or step.kind)
