"""`plugin.toml`: what a plugin says about itself, read strictly.

An unknown key is an error, not a thing to skip: a permission with a typo must not vanish, and
an older gateway must not run what it does not understand.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from carapace import __version__
from carapace.plugins.contract_versions import SPOKEN
from carapace.plugins.package.permissions import (
    Ask,
    InvalidPermission,
    Limits,
    Permissions,
    parse_http,
    parse_websocket,
)
from carapace.plugins.package.publishers import InvalidPublisher, parse_publisher
from carapace.plugins.package.version import InvalidVersion, Version, parse_version
from carapace.value import Value

__all__ = [
    "ID_PATTERN",
    "MAX_MANIFEST_BYTES",
    "ChannelLook",
    "InvalidManifest",
    "Manifest",
    "parse_manifest",
]

ID_PATTERN: Final = re.compile(r"[a-z][a-z0-9-]{1,31}", re.ASCII)
MAX_MANIFEST_BYTES: Final = 64 * 1024
_MAX_KV_BYTES: Final = 64 * 1024 * 1024

_Role = Literal["channel", "webhook", "tool", "service", "hooks", "setup"]
_Rule = Annotated[str, Meta(min_length=1, max_length=2048)]
_Secret = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}\Z")]
_Label = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z")]
_Point = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.-]{0,63}\Z")]


class InvalidManifest(ValueError):  # noqa: N818 - reads as a sentence where it is raised
    """Not a manifest; the message says why and how to mend it."""


class ChannelLook(Value, frozen=True, kw_only=True):
    """How clients show a channel, beside its label.

    Attributes:
        detail_label: The label where there is more room; the label itself if it is None.
        system_image: Name of a symbol of Apple's for the native apps.
    """

    detail_label: str | None = None
    system_image: str | None = None


class Manifest(Value, frozen=True, kw_only=True):
    """What a plugin is and asks for.

    Attributes:
        id: `^[a-z][a-z0-9-]{1,31}$`; its address, its settings and its files are found by it.
        version: Semantic version.
        name: For people.
        description: One or two sentences for people.
        roles: Export interfaces, in the manifest's order.
        permissions: What it asks for.
        limits: What it may use up.
        wit: Version of the contract it was built for, as `major.minor`.
        min_host: Oldest gateway it works with, if it says so.
        rollback_floor: Once this version has run, none below may; None for no such bound.
        publisher: Whose signature it has, as `ed25519:<key>`; None for an unsigned one.
        channel: How clients show its channel.
    """

    id: str
    version: str
    name: str
    description: str = ""
    roles: tuple[str, ...]
    permissions: Permissions = msgspec.field(default_factory=Permissions)
    limits: Limits = msgspec.field(default_factory=Limits)
    wit: str
    min_host: str | None = None
    rollback_floor: str | None = None
    publisher: str | None = None
    channel: ChannelLook = ChannelLook()

    @property
    def ask(self) -> Ask:
        """All that an admin has to agree to."""
        return Ask(roles=self.roles, permissions=self.permissions, limits=self.limits)


class _Permissions(msgspec.Struct, forbid_unknown_fields=True):
    http: Annotated[list[_Rule], Meta(max_length=64)] = []
    websocket: Annotated[list[_Rule], Meta(max_length=16)] = []
    credentials: Annotated[list[_Secret], Meta(max_length=32)] = []
    hooks: Annotated[list[_Point], Meta(max_length=32)] = []
    media: bool = False
    inbound: bool = False
    timers: bool = False
    poll: bool = False
    crypto: bool = False
    agent: bool = False
    kv_max_bytes: Annotated[int, Meta(ge=0, le=_MAX_KV_BYTES)] = 0


class _Limits(msgspec.Struct, forbid_unknown_fields=True):
    memory_mib: Annotated[int, Meta(ge=16, le=512)] = 64
    call_timeout_s: Annotated[int, Meta(ge=1, le=120)] = 10


class _Channel(msgspec.Struct, forbid_unknown_fields=True):
    detail_label: _Label | None = None
    system_image: Annotated[str, Meta(pattern=r"^[a-z0-9.]{1,80}\Z")] | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,31}\Z")]
    version: str
    name: _Label
    wit: Annotated[str, Meta(pattern=r"^(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})\Z")]
    roles: Annotated[list[_Role], Meta(min_length=1, max_length=6)]
    description: Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")] = ""
    publisher: str | None = None
    min_host: str | None = None
    rollback_floor: str | None = None
    permissions: _Permissions = msgspec.field(default_factory=_Permissions)
    limits: _Limits = msgspec.field(default_factory=_Limits)
    channel: _Channel | None = None


def parse_manifest(data: bytes, *, host_version: str = __version__) -> Manifest:
    """Read `plugin.toml` and check that this gateway can serve it.

    Args:
        data: The file, exactly as it is signed.
        host_version: Of this gateway.

    Raises:
        InvalidManifest: If it cannot be read, contradicts itself, or was made for another host.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise InvalidManifest(f"plugin.toml is larger than {MAX_MANIFEST_BYTES} bytes; shorten it")
    try:
        file = msgspec.convert(tomllib.loads(data.decode("utf-8")), _File)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidManifest(f"plugin.toml is no TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise InvalidManifest(f"plugin.toml: {error}") from error
    try:
        return _checked(file, host_version)
    except (InvalidPermission, InvalidPublisher, InvalidVersion) as error:
        raise InvalidManifest(f"plugin.toml: {error}") from error


def _checked(file: _File, host_version: str) -> Manifest:
    asked = file.permissions
    _refuse_repeats("roles", file.roles)
    for name in ("http", "websocket", "credentials", "hooks"):
        _refuse_repeats(f"permissions.{name}", getattr(asked, name))
    for rule in asked.http:
        parse_http(rule)
    for rule in asked.websocket:
        parse_websocket(rule)
    _check_sense(file)
    version = parse_version(file.version)
    if file.rollback_floor is not None and parse_version(file.rollback_floor) > version:
        raise InvalidManifest("plugin.toml: rollback_floor is higher than the version itself")
    _check_host(file, host_version)
    if file.publisher is not None:
        parse_publisher(file.publisher)
    return Manifest(
        id=file.id,
        version=str(version),
        name=file.name,
        description=file.description,
        roles=tuple(file.roles),
        permissions=_permissions(asked),
        limits=Limits(memory_mib=file.limits.memory_mib, call_timeout_s=file.limits.call_timeout_s),
        wit=file.wit,
        min_host=file.min_host,
        rollback_floor=file.rollback_floor,
        publisher=file.publisher,
        channel=_look(file.channel or _Channel()),
    )


def _look(asked: _Channel) -> ChannelLook:
    return ChannelLook(detail_label=asked.detail_label, system_image=asked.system_image)


def _permissions(asked: _Permissions) -> Permissions:
    return Permissions(
        http=tuple(asked.http),
        websocket=tuple(asked.websocket),
        credentials=tuple(asked.credentials),
        hooks=tuple(asked.hooks),
        media=asked.media,
        inbound=asked.inbound,
        timers=asked.timers,
        poll=asked.poll,
        crypto=asked.crypto,
        agent=asked.agent,
        kv_max_bytes=asked.kv_max_bytes,
    )


def _refuse_repeats(name: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        raise InvalidManifest(f"plugin.toml: {name} names something twice; name it once")


def _check_sense(file: _File) -> None:
    """What is called back needs somebody to call."""
    asked = file.permissions
    if bool(asked.hooks) != ("hooks" in file.roles):
        raise InvalidManifest(
            "plugin.toml: the role hooks and the hook points in permissions.hooks go together; "
            "write both or neither"
        )
    if file.channel is not None and "channel" not in file.roles:
        raise InvalidManifest("plugin.toml: [channel] is for plugins with the role channel")
    for name, is_asked in (
        ("timers", asked.timers),
        ("poll", asked.poll),
        ("websocket", bool(asked.websocket)),
    ):
        if is_asked and "service" not in file.roles:
            raise InvalidManifest(
                f"plugin.toml: permissions.{name} needs the role service, which is told of it"
            )
    if asked.poll and not asked.http:
        raise InvalidManifest("plugin.toml: permissions.poll needs addresses in permissions.http")


def _check_host(file: _File, host_version: str) -> None:
    objection = SPOKEN.objection(tuple(int(part) for part in file.wit.split(".")))
    if objection is not None:
        raise InvalidManifest(
            f"the plugin was built for version {file.wit} of the contract: {objection}"
        )
    if file.min_host is not None and _release(host_version) < parse_version(file.min_host).release:
        raise InvalidManifest(
            f"the plugin needs Carapace {file.min_host}, this is {host_version}: update the gateway"
        )


def _release(host_version: str) -> tuple[int, int, int]:
    """The gateway's own version follows PEP 440; only its release segment counts here."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", host_version)
    if found is None:
        return Version((0, 0, 0)).release
    major, minor, patch = found.groups()
    return int(major), int(minor), int(patch)
