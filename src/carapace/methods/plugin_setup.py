"""`plugins.setup.*` and `plugins.channel.*`: what the setup assistant and people ask a plugin.

What a plugin gives to be written goes through its own part of the configuration and nowhere else,
whatever keys it names.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeVar

import msgspec

from carapace.channels.types import DEFAULT_ACCOUNT
from carapace.config.editor import EditError, set_value
from carapace.config.located import Key, key_text
from carapace.errors import Failed, Refused
from carapace.methods.context import Context
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.protocol.plugin_setup import (
    ChannelAccount,
    ChannelDirectory,
    ChannelLogin,
    ChannelPeople,
    ChannelPerson,
    ChannelProbed,
    ChannelResolve,
    ChannelResolved,
    LoginStep,
    SetupAnswers,
    SetupDone,
    SetupQuestion,
    SetupQuestions,
    SetupWanted,
)
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope

__all__ = ["METHODS"]

METHODS = Methods()
_MAX_SETTINGS: Final = 64
_NEVER: Final = frozenset({"accounts", "allowFrom", "groupAllowFrom"})
"""Who may speak is for the operator to say, never for a plugin; accounts have their own call."""

T = TypeVar("T")


@METHODS.method("plugins.setup.questions", scope=Scope.ADMIN)
async def setup_questions(ctx: Context, params: SetupWanted) -> SetupQuestions:
    """List what a plugin wants to know before one of its accounts can run."""
    asked = await _ask(ctx, params.id, "setup", "questions", params.account_id)
    return SetupQuestions(questions=_read(asked, list[SetupQuestion], params.id))


@METHODS.method("plugins.setup.apply", scope=Scope.ADMIN)
async def setup_apply(ctx: Context, params: SetupAnswers) -> SetupDone:
    """Hand the answers to the plugin and write what follows from them into its settings."""
    handles = _handles(ctx, params)
    answers = msgspec.json.encode({**params.answers, **handles}).decode()
    told = await _ask(ctx, params.id, "setup", "settings", params.account_id, answers)
    settings = _object(told, params.id)
    for name, handle in handles.items():
        if settings.get(name) == handle:
            settings[name] = params.answers[name]
    if len(settings) > _MAX_SETTINGS or not _NEVER.isdisjoint(settings):
        raise Refused(
            f"The plugin {params.id} wants to write settings that are not its to write. Nothing "
            "was written: set it up by hand, and tell its author."
        )
    place = _place(ctx, params.id, params.account_id)
    keys: list[Key] = [(*place, name) for name in settings]
    config = ctx.services.config
    before = config.snapshot()
    text = before.raw or "{}"
    try:
        for key, value in zip(keys, settings.values(), strict=True):
            text = set_value(text, key, value)
    except EditError as error:
        raise Refused(f"The configuration could not be changed: {error}.") from None
    config.write(text, base_hash=before.hash)
    return SetupDone(ok=True, keys=[key_text(key) for key in keys])


@METHODS.method("plugins.channel.probe", scope=Scope.ADMIN)
async def channel_probe(ctx: Context, params: ChannelAccount) -> ChannelProbed:
    """Ask the chat service whether it takes our credentials, and as whom."""
    told = await _ask(ctx, params.id, "channel", "probe", params.account_id)
    return ChannelProbed(account=_object(told, params.id))


@METHODS.method("plugins.channel.login", scope=Scope.ADMIN)
async def channel_login(ctx: Context, params: ChannelLogin) -> LoginStep:
    """Take the next step of signing in at the chat service."""
    answer = msgspec.json.encode(params.answer).decode()
    told = await _ask(ctx, params.id, "channel", "login", params.account_id, answer)
    return _read(told, LoginStep, params.id)


@METHODS.method("plugins.channel.resolve", scope=Scope.ADMIN)
async def channel_resolve(ctx: Context, params: ChannelResolve) -> ChannelResolved:
    """Turn a target as people write it into the chat service's own id."""
    told = await _ask(ctx, params.id, "channel", "resolve", params.account_id, params.text)
    return ChannelResolved(target=_read(told, str, params.id))


@METHODS.method("plugins.channel.directory", scope=Scope.ADMIN)
async def channel_directory(ctx: Context, params: ChannelDirectory) -> ChannelPeople:
    """Look for people and groups that the chat service knows."""
    told = await _ask(
        ctx, params.id, "channel", "directory", params.account_id, params.query, params.limit
    )
    people = _read(told, list[_Person], params.id)[: params.limit]
    return ChannelPeople(
        people=[ChannelPerson(id=one.id, chat_type=one.chat_type, name=one.name) for one in people]
    )


class _Person(msgspec.Struct):
    """`channel.person`."""

    id: str
    name: str | None
    chat_type: Literal["direct", "group", "channel"]


async def _ask(ctx: Context, plugin_id: str, role: str, function: str, *arguments: Any) -> Any:
    """One call of a running plugin.

    Raises:
        Refused: If it does not run, is not of that kind, or says no.
        Failed: If it broke.
    """
    guest = ctx.services.plugins.guest(plugin_id, role)
    try:
        return await guest.call(role, function, *arguments)
    except GuestError as error:
        text = error.message or error.code
        raise Refused(
            f"{plugin_id}: {text}",
            retryable=error.retryable or None,
            retry_after_ms=error.retry_after_ms,
        ) from error
    except (GuestTrap, PluginUnavailable) as error:
        raise Failed(f"The plugin {plugin_id} could not answer: {error.message}") from error


def _handles(ctx: Context, params: SetupAnswers) -> dict[str, str]:
    """Handles in the place of answers that are secrets: their values stay here.

    A handle comes back as the value only under its own name, or a plugin could have a secret
    written where it may read it.
    """
    manifest = ctx.services.plugins.manifest(params.id, "setup")
    return {
        name: f"{params.account_id}/{name}"
        for name in manifest.permissions.credentials
        if params.answers.get(name)
    }


def _place(ctx: Context, plugin_id: str, account: str) -> Key:
    """Where the settings of an account stand."""
    if "channel" not in ctx.services.plugins.manifest(plugin_id, "setup").roles:
        return ("plugins", "entries", plugin_id, "config")
    base: Key = ("channels", plugin_id)
    return base if account == DEFAULT_ACCOUNT else (*base, "accounts", account)


def _object(value: Any, plugin_id: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_read(value, str, plugin_id), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise _nonsense(plugin_id, error) from None


def _read(value: Any, kind: type[T], plugin_id: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _nonsense(plugin_id, error) from None


def _nonsense(plugin_id: str, error: Exception) -> Failed:
    return Failed(f"The answer of the plugin {plugin_id} makes no sense: {error}.")
