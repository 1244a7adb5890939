"""The lock file: which packages are installed, what was agreed to, how far one may go back.

Two lines: JSON, and an HMAC-SHA256 over exactly those bytes with a key from the vault. Whoever
can write into the plugins folder but not read the vault can therefore change nothing here:
neither enable a plugin, nor widen what it may do, nor lower a floor. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

import msgspec

from carapace.plugins.package.permissions import Ask
from carapace.plugins.package.transparency import Event, LogLine
from carapace.plugins.package.version import parse_version

__all__ = [
    "LOCK_NAME",
    "LOG_NAME",
    "MAX_LOCK_BYTES",
    "MAX_LOG_BYTES",
    "BrokenLock",
    "KeptVersion",
    "Lock",
    "LockedPlugin",
    "highest",
    "read_lock",
    "recovered",
    "write_lock",
]

LOCK_NAME: Final = "lock.json"
LOG_NAME: Final = "log.jsonl"
MAX_LOCK_BYTES: Final = 16 * 1024 * 1024
MAX_LOG_BYTES: Final = 256 * 1024 * 1024
_DOMAIN: Final = b"carapace plugin lock 1\n"
_RAN: Final = frozenset({Event.INSTALLED, Event.UPGRADED, Event.ROLLED_BACK})


class BrokenLock(ValueError):  # noqa: N818 - it is the lock that is broken
    """The file is not one that this gateway wrote."""


class KeptVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A package that lies in the store.

    Attributes:
        version: As in its manifest.
        digest: Names the package and its folder.
        files: SHA-256 of each file, by its name.
        publisher: Who signed it; None for an unsigned one.
        source: Where it came from, for people.
        kept_at_ms: Since when.
    """

    version: str
    digest: str
    files: dict[str, str]
    publisher: str | None
    source: str
    kept_at_ms: int


class LockedPlugin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One plugin that is or was installed.

    Attributes:
        id: Its id.
        versions: What is kept of it, oldest first.
        active: Digest of the version that is used; None if it only waits, or was removed.
        pending: Digest of a version that waits for consent.
        agreed: What an admin agreed to for the active version.
        enabled: Whether it shall run.
        highest: Highest version that was ever used; nothing lower is installed any more.
        floor: Nothing below this is ever used again, not even by a rollback.
    """

    id: str
    versions: tuple[KeptVersion, ...] = ()
    active: str | None = None
    pending: str | None = None
    agreed: Ask | None = None
    enabled: bool = True
    highest: str | None = None
    floor: str | None = None

    def kept(self, digest: str | None) -> KeptVersion | None:
        """The version with this digest."""
        return next((one for one in self.versions if one.digest == digest), None)


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All plugins, and the newest line of the log.

    Attributes:
        plugins: By id.
        last_line: Newest line of the log, which a crash may have kept from being appended.
    """

    plugins: dict[str, LockedPlugin] = {}
    last_line: LogLine | None = None

    def with_plugin(self, plugin: LockedPlugin, line: LogLine) -> Lock:
        """The same, with this plugin in place of the one of that id."""
        return Lock(plugins={**self.plugins, plugin.id: plugin}, last_line=line)

    def digests(self) -> frozenset[str]:
        """All packages that are needed."""
        return frozenset(one.digest for own in self.plugins.values() for one in own.versions)


def write_lock(lock: Lock, key: bytes) -> bytes:
    """The file."""
    body = msgspec.json.encode(lock)
    return body + b"\n" + _mac(body, key) + b"\n"


def read_lock(data: bytes, key: bytes) -> Lock:
    """Read what `write_lock` wrote with the same key.

    Raises:
        BrokenLock: If anything else wrote it.
    """
    body, _, rest = data.partition(b"\n")
    if not hmac.compare_digest(rest, _mac(body, key) + b"\n"):
        raise BrokenLock("the file was changed, or another key made it")
    try:
        return msgspec.json.decode(body, type=Lock)
    except msgspec.DecodeError as error:
        raise BrokenLock("the file is of another version of the gateway") from error


def recovered(lines: Iterable[LogLine]) -> Lock:
    """What the log knows after the lock file was lost: nothing is installed, floors still hold."""
    plugins: dict[str, LockedPlugin] = {}
    last: LogLine | None = None
    for line in lines:
        last = line
        before = plugins.get(line.plugin, LockedPlugin(id=line.plugin))
        if line.event in _RAN:
            plugins[line.plugin] = LockedPlugin(
                id=line.plugin,
                highest=highest(before.highest, line.version),
                floor=highest(before.floor, line.floor),
            )
    return Lock(plugins=plugins, last_line=last)


def highest(left: str | None, right: str | None) -> str | None:
    """The higher of two versions, either of which may be missing."""
    if left is None or right is None:
        return right if left is None else left
    return max(left, right, key=parse_version)


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, _DOMAIN + body, hashlib.sha256).hexdigest().encode()
