"""`hooks.*`: what other programs may send to agents over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Name, PositiveInt, Section, setting

__all__ = ["HookMapping", "HookMatch", "HookTransform", "HooksSettings"]

_MAX_TEMPLATE = 16_384
_Template = Annotated[str, msgspec.Meta(max_length=_MAX_TEMPLATE)]


class HookMatch(Section, frozen=True):
    """Which requests a mapping is for; both must fit, and one that is not set fits all."""

    path: Annotated[
        Name | None, setting("What follows `hooks.path` in the address.", live=True)
    ] = None
    source: Annotated[
        Name | None, setting("The text that the body has as `source`.", live=True)
    ] = None


class HookTransform(Section, frozen=True):
    """A program that changes the body first. None are run: see `hooks.mappings`."""

    module: Annotated[
        str | None,
        setting("Not supported: a mapping that names one is not served.", live=True),
    ] = None


class HookMapping(Section, frozen=True):
    """How somebody else's JSON becomes a message."""

    id: Annotated[
        Name | None, setting("A name for logs, and for the agent if `name` is not set.", live=True)
    ] = None
    match: Annotated[HookMatch, setting("Which requests it is for.", live=True)] = msgspec.field(
        default_factory=HookMatch
    )
    action: Annotated[
        Literal["wake", "agent"],
        setting("`agent` runs the message, `wake` puts the text into the main session.", live=True),
    ] = "agent"
    wake_mode: Annotated[
        Literal["now", "next-heartbeat"],
        setting("Of `wake`: answer it now, or leave it for the next turn.", live=True),
    ] = "now"
    name: Annotated[
        Name | None, setting("Tells the agent where the message comes from.", live=True)
    ] = None
    agent_id: Annotated[Name | None, setting("Which agent; else the default one.", live=True)] = (
        None
    )
    session_key: Annotated[
        Name | None,
        setting(
            "The session it goes to, else a new one. With `{{...}}` in it the request chooses, "
            "and `allowRequestSessionKey` must let it.",
            live=True,
        ),
    ] = None
    message_template: Annotated[
        _Template | None, setting("Of `agent`: the message, with `{{a.b[0]}}`.", live=True)
    ] = None
    text_template: Annotated[
        _Template | None, setting("Of `wake`: the text, with `{{a.b[0]}}`.", live=True)
    ] = None
    deliver: Annotated[
        bool | None, setting("Send the answer to a channel. Without it: yes.", live=True)
    ] = None
    channel: Annotated[
        Name | None, setting("Which; `last` is where the main session was last used.", live=True)
    ] = None
    to: Annotated[Name | None, setting("To whom there; may have `{{...}}` in it.", live=True)] = (
        None
    )
    model: Annotated[Name | None, setting("The model, as provider/name.", live=True)] = None
    thinking: Annotated[Name | None, setting("How long the model thinks.", live=True)] = None
    timeout_seconds: Annotated[
        PositiveInt | None, setting("Longest time the turn may take.", live=True)
    ] = None
    transform: Annotated[
        HookTransform | None,
        setting("Not supported: code is never loaded from a path.", live=True),
    ] = None


class HooksSettings(Section, frozen=True):
    """What other programs may send to agents over HTTP."""

    enabled: Annotated[bool, setting("Serve the hooks.", live=True)] = False
    path: Annotated[Name, setting("Where: the first part of the address.", live=True)] = "/hooks"
    token: Annotated[
        str | None,
        setting(
            "What senders must show. Without one nothing is served; it must not be the "
            "gateway's own token.",
            live=True,
            secret=True,
        ),
    ] = None
    max_body_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=10_485_760)],
        setting("Longest body accepted, in bytes.", live=True),
    ] = 262_144
    presets: Annotated[
        tuple[Literal["gmail"], ...], setting("Mappings that are built in.", live=True)
    ] = ()
    mappings: Annotated[
        tuple[HookMapping, ...],
        setting("How other JSON becomes messages; the first that fits counts.", live=True),
    ] = ()
    allowed_agent_ids: Annotated[
        tuple[str, ...] | None,
        setting(
            "Agents that hooks may run, `*` for all. Without it: the default agent, and those "
            "that mappings name.",
            live=True,
        ),
    ] = None
    allow_request_session_key: Annotated[
        bool,
        setting(
            "Let requests choose their session, within `allowedSessionKeyPrefixes`.", live=True
        ),
    ] = False
    allowed_session_key_prefixes: Annotated[
        tuple[str, ...],
        setting(
            "What such a session key must begin with, as in `hook:`. None allows none.", live=True
        ),
    ] = ()
