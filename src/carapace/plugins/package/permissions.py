"""What a plugin asks for, and whether a newer version asks for more. Pure.

A capability without a line is not granted. `log`, `config` and `status` need none, since they
show a plugin nothing but what is its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from carapace.net.allow import AllowRule, parse_rule
from carapace.net.url import InvalidUrl, as_http_url
from carapace.value import Value

__all__ = [
    "ALWAYS",
    "Ask",
    "InvalidPermission",
    "Limits",
    "PermissionDiff",
    "Permissions",
    "compare",
    "parse_http",
    "parse_websocket",
]

ALWAYS: Final = frozenset({"log", "config", "status"})
"""Interfaces that every plugin may import."""

_METHODS: Final = re.compile(r"[A-Z]{2,10}(?:,[A-Z]{2,10})*", re.ASCII)


class InvalidPermission(ValueError):  # noqa: N818 - reads as a sentence where it is raised
    """A permission that cannot be read; the message says why."""


class Permissions(Value, frozen=True, kw_only=True):
    """The `[permissions]` of a manifest.

    Attributes:
        http: Requests, as `POST https://api.example/v1/**`; several methods are joined by commas.
        websocket: Connections, as `wss://gateway.example/socket`.
        credentials: Names of secrets; an account's is `<account>/<name>` and needs no line.
        hooks: Hook points it looks at or changes.
        media: Put files into the media store, and link to them.
        inbound: Hand in messages of people.
        timers: Set alarms.
        poll: Let the gateway hold long requests.
        crypto: Let the gateway work on keys and files.
        agent: Start turns of the assistant.
        kv_max_bytes: Size of its own store; 0 is none.
    """

    http: tuple[str, ...] = ()
    websocket: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    media: bool = False
    inbound: bool = False
    timers: bool = False
    poll: bool = False
    crypto: bool = False
    agent: bool = False
    kv_max_bytes: int = 0

    def interfaces(self) -> frozenset[str]:
        """Import interfaces of the contract that these permissions open."""
        asked = {
            "http": bool(self.http),
            "websocket": bool(self.websocket),
            "credentials": bool(self.credentials),
            "kv": self.kv_max_bytes > 0,
        } | {name: bool(getattr(self, name)) for name in _SWITCHES}
        return ALWAYS | {name for name, is_asked in asked.items() if is_asked}

    def http_rules(self) -> tuple[AllowRule, ...]:
        """The requests it may make, as the egress reads them."""
        return tuple(parse_http(one) for one in self.http)

    def websocket_rules(self) -> tuple[AllowRule, ...]:
        """The connections it may open, as the egress reads them."""
        return tuple(parse_websocket(one) for one in self.websocket)


class Limits(Value, frozen=True, kw_only=True):
    """The `[limits]` of a manifest.

    Attributes:
        memory_mib: Of one instance.
        call_timeout_s: Of one call.
    """

    memory_mib: int = 64
    call_timeout_s: int = 10


class Ask(Value, frozen=True, kw_only=True):
    """All that an admin agrees to: what it is, what it may do, what it may use up."""

    roles: tuple[str, ...]
    permissions: Permissions = Permissions()
    limits: Limits = Limits()


class PermissionDiff(Value, frozen=True, kw_only=True):
    """What a version asks for that another does not.

    Attributes:
        added: Sentences for people, in a stable order.
        removed: Likewise: what it no longer asks for.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def is_wider(self) -> bool:
        """Whether somebody has to agree first."""
        return bool(self.added)


def parse_http(text: str) -> AllowRule:
    """Read `GET,POST https://api.example/v1/**`.

    Raises:
        InvalidPermission: If it is no such rule.
    """
    methods, _, pattern = text.partition(" ")
    if not _METHODS.fullmatch(methods):
        raise InvalidPermission(
            f"{text[:120]!r}: write the methods in capitals, a space and the address, as in "
            "GET,POST https://api.example/v1/**"
        )
    if not pattern.startswith(("https://", "http://")):
        raise InvalidPermission(f"{text[:120]!r}: the address begins with https:// or http://")
    return _rule(pattern, methods.split(","))


def parse_websocket(text: str) -> AllowRule:
    """Read `wss://gateway.example/socket`.

    Raises:
        InvalidPermission: If it is no such rule.
    """
    if not text.startswith(("wss://", "ws://")):
        raise InvalidPermission(f"{text[:120]!r}: the address begins with wss:// or ws://")
    return _rule(as_http_url(text), ["GET"])


def _rule(pattern: str, methods: list[str]) -> AllowRule:
    try:
        return parse_rule(pattern, methods=methods)
    except InvalidUrl as error:
        raise InvalidPermission(f"{pattern[:120]!r}: {error}") from error


def compare(old: Ask | None, new: Ask) -> PermissionDiff:
    """What `new` asks for beyond `old`, and what it gives up; against None all is new."""
    before = old or Ask(roles=(), limits=Limits(memory_mib=0, call_timeout_s=0))
    return PermissionDiff(
        added=tuple(_beyond(before, new)), removed=tuple(_beyond(new, before, is_loss=True))
    )


def _beyond(old: Ask, new: Ask, *, is_loss: bool = False) -> Iterator[str]:
    """What `new` has and `old` has not."""
    yield from (_ROLES[one] for one in new.roles if one not in old.roles)
    have, want = old.permissions, new.permissions
    known, sockets = have.http_rules(), have.websocket_rules()
    for text in want.http:
        if not _is_covered(parse_http(text), known):
            yield f"send requests: {text}{_clear(text)}"
    for text in want.websocket:
        if not _is_covered(parse_websocket(text), sockets):
            yield f"open a connection: {text}{_clear(text)}"
    yield from (f"use the secret {one}" for one in want.credentials if one not in have.credentials)
    yield from (f"see and change: {one}" for one in want.hooks if one not in have.hooks)
    for name, sentence in _SWITCHES.items():
        if getattr(want, name) and not getattr(have, name):
            yield sentence
    if want.kv_max_bytes > have.kv_max_bytes:
        yield f"keep {want.kv_max_bytes:,} bytes of its own"
    if not is_loss:
        yield from _bigger(old.limits, new.limits)


def _bigger(old: Limits, new: Limits) -> Iterator[str]:
    if new.memory_mib > old.memory_mib:
        yield f"use {new.memory_mib} MiB of memory"
    if new.call_timeout_s > old.call_timeout_s:
        yield f"work for {new.call_timeout_s} s at a time"


def _is_covered(wanted: AllowRule, known: tuple[AllowRule, ...]) -> bool:
    """Whether known rules admit all that one admits; methods may come from several of them."""
    near = [one.methods or frozenset() for one in known if _has_place(one, wanted)]
    return (wanted.methods or frozenset()) <= frozenset[str]().union(*near) and bool(near)


def _has_place(known: AllowRule, wanted: AllowRule) -> bool:
    if (known.scheme, known.port) != (wanted.scheme, wanted.port):
        return False
    host = wanted.host
    if known.host != host and not (known.host.is_below and known.host.matches(host.host)):
        return False
    if known.is_exact:
        return wanted.is_exact and wanted.path == known.path
    return wanted.path.startswith(known.path)


def _clear(text: str) -> str:
    is_clear = "http://" in text or "ws://" in text
    return " (not encrypted: others on the way can read it)" if is_clear else ""


_SWITCHES: Final = {
    "media": "put files into the media store and link to them",
    "inbound": "hand in messages of people",
    "timers": "set alarms",
    "poll": "keep long requests waiting",
    "crypto": "let the gateway fetch keys and decrypt files for it",
    "agent": "start turns of the assistant",
}

_ROLES: Final = {
    "channel": "be a chat service",
    "webhook": "answer requests that come in under its own address",
    "tool": "be a tool that the assistant may call",
    "service": "run in the background",
    "hooks": "look at what passes through the gateway",
    "setup": "ask questions in the setup assistant",
}
