"""The audit trail: who did what that matters for security, as a hash chain of JSON lines.

Each line carries a running number and the SHA-256 of the line before it, across files and
restarts, so a line that was changed, removed or put in between is found by `verify`. (The
newest lines can be cut off without a trace by whoever may write the file; ship them to
another machine if that matters.)

A line is handed to the operating system before `record` returns: it survives the death of
the process. It reaches the disk within a second (`keep_synced`), at rotation and at close:
a power cut may cost that second. `record` never raises for what the disk does; what could
not be written is counted, and the next line that can be says how many are missing.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from carapace.clock import Clock
from carapace.telemetry.log import get_logger
from carapace.telemetry.redact import Redactor
from carapace.value import Value

__all__ = ["MEANINGS", "Audit", "AuditKind", "AuditVerdict", "audit_files", "verify"]

_log = get_logger(__name__)
_GENESIS: Final = "0" * 64
_NAME: Final = "audit.jsonl"


class AuditKind(StrEnum):
    """What is recorded; every kind is emitted somewhere and explained in `MEANINGS`."""

    AUDIT_REPAIRED = "audit.repaired"
    AUDIT_GAP = "audit.gap"
    AUDIT_ROTATED = "audit.rotated"
    TOOL_DENIED = "tool.denied"
    TOOL_APPROVED = "tool.approved"
    EXEC_APPROVALS_CHANGED = "exec.approvals_changed"
    EGRESS_REFUSED = "egress.refused"
    ORIGIN_REFUSED = "origin.refused"
    CLIENT_TOO_SLOW = "client.too_slow"
    CONNECTIONS_CAPPED = "connections.capped"
    AUTH_FAILED = "auth.failed"
    AUTH_LOCKED_OUT = "auth.locked_out"
    SCOPE_DENIED = "auth.scope_denied"
    CREDENTIAL_CHANGED = "auth.credential_changed"
    PAIRING_REQUESTED = "device.pairing_requested"
    PAIRING_REJECTED = "device.pairing_rejected"
    DEVICE_PAIRED = "device.paired"
    DEVICE_TOKEN_ROTATED = "device.token_rotated"  # noqa: S105 - the name of an event
    DEVICE_TOKEN_REVOKED = "device.token_revoked"  # noqa: S105 - the name of an event
    CHANNEL_PAIRING_REQUESTED = "channel.pairing_requested"
    CHANNEL_PAIRING_APPROVED = "channel.pairing_approved"
    CHANNEL_PAIRING_REJECTED = "channel.pairing_rejected"
    CHANNEL_SENDER_REVOKED = "channel.sender_revoked"
    SENDER_REFUSED = "channel.sender_refused"
    BUDGET_STOPPED = "budget.stopped"
    MEDIA_REFUSED = "media.refused"
    DELIVERY_DEAD = "delivery.dead"
    GATEWAY_STARTED = "gateway.started"
    GATEWAY_STOPPED = "gateway.stopped"
    CONFIG_CHANGED = "config.changed"
    WEBHOOK_REFUSED = "webhook.refused"
    WEBHOOK_REPLAYED = "webhook.replayed"
    NODE_PAIRED = "node.paired"
    NODE_COMMAND_REFUSED = "node.command_refused"
    PLUGIN_REFUSED = "plugin.refused"
    PLUGIN_INSTALLED = "plugin.installed"
    PLUGIN_SWITCHED = "plugin.switched"
    PLUGIN_REMOVED = "plugin.removed"
    PLUGIN_LOST = "plugin.lost"
    PLUGIN_QUARANTINED = "plugin.quarantined"
    PLUGIN_CACHE_REFUSED = "plugin.cache_refused"
    MCP_TOOL_CHANGED = "mcp.tool_changed"
    SKILL_CHANGED = "skill.changed"
    SKILL_INSTALL = "skill.install"


MEANINGS: Final[dict[AuditKind, str]] = {
    AuditKind.AUDIT_REPAIRED: "A half-written last line was found at start and removed.",
    AuditKind.AUDIT_GAP: "Lines could not be written for a while; `lost` says how many.",
    AuditKind.AUDIT_ROTATED: "A full file was set aside; `removed` names one dropped for age.",
    AuditKind.TOOL_DENIED: "A model asked for a tool that its run may not use.",
    AuditKind.TOOL_APPROVED: "A use of a tool was allowed; `by` says by whom or by which rule.",
    AuditKind.EXEC_APPROVALS_CHANGED: "Which commands run without asking was changed; see `by`.",
    AuditKind.EGRESS_REFUSED: "An outbound request broke an address or redirect rule.",
    AuditKind.ORIGIN_REFUSED: "A page or host name that is not allowed asked for an upgrade.",
    AuditKind.CLIENT_TOO_SLOW: "A client that did not read what was sent to it was closed.",
    AuditKind.CONNECTIONS_CAPPED: "A connection was refused by a limit; `cap` says which.",
    AuditKind.AUTH_FAILED: "A connect or bearer was refused; `reason` says by which check.",
    AuditKind.AUTH_LOCKED_OUT: "Too many failed attempts: an address, or all, must wait.",
    AuditKind.SCOPE_DENIED: "Somebody asked for, or tried to grant, more than it may have.",
    AuditKind.CREDENTIAL_CHANGED: "The shared token or password was replaced.",
    AuditKind.PAIRING_REQUESTED: "A device waits for a person to approve it.",
    AuditKind.PAIRING_REJECTED: "A person turned a device away.",
    AuditKind.DEVICE_PAIRED: "A device was approved; `silent` if it was local.",
    AuditKind.DEVICE_TOKEN_ROTATED: "A device's token was replaced.",
    AuditKind.DEVICE_TOKEN_REVOKED: "A device lost a role; it needs a new approval.",
    AuditKind.CHANNEL_PAIRING_REQUESTED: "A stranger on a chat service was told a code.",
    AuditKind.CHANNEL_PAIRING_APPROVED: "Somebody on a chat service was let in; `by` says by whom.",
    AuditKind.CHANNEL_PAIRING_REJECTED: "A stranger's code was made worthless; `by` says by whom.",
    AuditKind.CHANNEL_SENDER_REVOKED: "Somebody who had been let in is a stranger again.",
    AuditKind.SENDER_REFUSED: "A message was ignored; at most one line a sender and minute.",
    AuditKind.BUDGET_STOPPED: "A daily cap stopped an agent; `cap` says which, `used` how far.",
    AuditKind.MEDIA_REFUSED: "A file was not fetched or not stored; `reason` says by which rule.",
    AuditKind.DELIVERY_DEAD: "A message to a chat service was given up; `cause` says why.",
    AuditKind.GATEWAY_STARTED: "The gateway listens; with its version, bind mode and port.",
    AuditKind.GATEWAY_STOPPED: "The gateway ended in order; without this line it was killed.",
    AuditKind.CONFIG_CHANGED: "A changed configuration took effect; `keys` names what.",
    AuditKind.WEBHOOK_REFUSED: "A webhook's secret or signature was wrong; `reason` says how.",
    AuditKind.WEBHOOK_REPLAYED: "A webhook that was handled before was sent again.",
    AuditKind.NODE_PAIRED: "A node was approved in the older list; `by` says by whom.",
    AuditKind.NODE_COMMAND_REFUSED: "A node was not asked; `reason` says by which rule.",
    AuditKind.PLUGIN_REFUSED: "A plugin was not installed or did not load; `reason` says why.",
    AuditKind.PLUGIN_INSTALLED: "A version of a plugin is used now; `event` says how it came.",
    AuditKind.PLUGIN_SWITCHED: "A plugin was enabled or disabled; `by` says by whom.",
    AuditKind.PLUGIN_REMOVED: "A plugin, or what waited for consent, was removed; see `what`.",
    AuditKind.PLUGIN_LOST: "A plugin's process ended that should not have; `reason` says how.",
    AuditKind.PLUGIN_QUARANTINED: "A plugin's process was lost too often: it is left alone now.",
    AuditKind.PLUGIN_CACHE_REFUSED: "A compiled plugin was not what we had written; removed.",
    AuditKind.MCP_TOOL_CHANGED: "An MCP server describes a tool otherwise than before; see `tool`.",
    AuditKind.SKILL_CHANGED: "A skill was switched or given keys; `changed` names which, not what.",
    AuditKind.SKILL_INSTALL: "An install command of a skill was run; `code` says how it ended.",
}
"""One sentence for each kind; becomes the reference page."""


class AuditVerdict(Value, frozen=True):
    """What `verify` found.

    Attributes:
        lines: How many lines were read.
        problem: None if the chain holds, else file, line and what is wrong there.
    """

    lines: int
    problem: str | None


class Audit:
    """Appends to the trail in `folder`.

    Args:
        folder: Made with mode 0700 if missing; the file is `audit.jsonl`.
        clock: For the lines' time.
        redactor: Sees all fields before they are written.
        max_bytes: Size at which a file is set aside.
        max_files: How many set aside ones are kept; the oldest go first.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        redactor: Redactor,
        max_bytes: int = 10_000_000,
        max_files: int = 20,
    ) -> None:
        self._folder = folder
        self._path = folder / _NAME
        self._clock = clock
        self._redactor = redactor
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._fd = -1
        self._size = 0
        self._number = 0
        self._previous = _GENESIS
        self._lost = 0
        self._is_dirty = False
        self._lock = threading.Lock()

    def record(self, kind: AuditKind, **fields: str | int | bool | None) -> None:
        """Append one line; never raises for what the disk does."""
        with self._lock:
            try:
                self._ready()
                if self._size >= self._max_bytes:
                    self._rotate()
                if self._lost:
                    self._write(AuditKind.AUDIT_GAP, {"lost": self._lost})
                    self._lost = 0
                self._write(kind, fields)
            except OSError as error:
                self._lost += 1
                self._drop()
                _log.error("audit line lost", kind=str(kind), reason=str(error), lost=self._lost)

    def check(self) -> str | None:
        """For readiness: why the trail is not being written, or None."""
        return f"{self._lost} audit lines could not be written" if self._lost else None

    def sync(self) -> None:
        """Put what was recorded onto the disk; blocks for as long as that takes."""
        with self._lock:
            if not self._is_dirty or self._fd < 0:
                return
            descriptor = os.dup(self._fd)
            self._is_dirty = False
        try:
            os.fsync(descriptor)
        except OSError as error:
            _log.error("audit trail not synced", reason=str(error))
        finally:
            os.close(descriptor)

    async def keep_synced(self, interval_s: float = 1.0) -> None:
        """Sync every `interval_s` seconds until cancelled; run it as a task."""
        while True:
            await self._clock.sleep(interval_s)
            if self._is_dirty:
                await asyncio.to_thread(self.sync)

    def close(self) -> None:
        """Sync and let go; a later record opens the file again."""
        self.sync()
        with self._lock:
            self._drop()

    def _write(self, kind: AuditKind, fields: dict[str, Any]) -> None:
        """Append one line, wholly or not at all."""
        line = msgspec.json.encode(
            {
                "seq": self._number + 1,
                "time": self._clock.now().isoformat(timespec="milliseconds"),
                "kind": str(kind),
                **self._redactor.mapping(fields),
                "prev": self._previous,
            }
        )
        try:
            written = os.write(self._fd, line + b"\n")
        except OSError:
            written = 0
        if written != len(line) + 1:
            os.ftruncate(self._fd, self._size)
            raise OSError("the disk took only a part of the line; is it full?")
        self._size += written
        self._number += 1
        self._previous = hashlib.sha256(line).hexdigest()
        self._is_dirty = True

    def _ready(self) -> None:
        """Open the file and find the chain's end, if that has not been done."""
        if self._fd >= 0:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        self._fd = os.open(self._path, flags, 0o600)
        os.fchmod(self._fd, 0o600)
        torn = self._mend()
        self._resume()
        if torn:
            self._write(AuditKind.AUDIT_REPAIRED, {"removed_bytes": torn})

    def _mend(self) -> int:
        """Cut off a last line that lost its end in a crash; how many bytes that were."""
        data = self._path.read_bytes()
        self._size = data.rfind(b"\n") + 1
        torn = len(data) - self._size
        if torn:
            os.ftruncate(self._fd, self._size)
        return torn

    def _resume(self) -> None:
        """Take up number and hash from the newest line there is."""
        for path in reversed(audit_files(self._folder)):
            lines = path.read_bytes().splitlines()
            if lines:
                self._previous = hashlib.sha256(lines[-1]).hexdigest()
                self._number = _number_of(lines[-1])
                return

    def _rotate(self) -> None:
        os.fsync(self._fd)
        self._drop()
        aside = self._folder / f"audit-{self._number:012d}.jsonl"
        self._path.replace(aside)
        removed: list[str] = []
        for old in audit_files(self._folder)[: -self._max_files]:
            old.unlink(missing_ok=True)
            removed.append(old.name)
        self._ready()
        self._write(
            AuditKind.AUDIT_ROTATED, {"file": aside.name, "removed": ", ".join(removed) or None}
        )

    def _drop(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def audit_files(folder: Path) -> list[Path]:
    """The files of the trail, oldest first."""
    current = folder / _NAME
    return sorted(folder.glob("audit-*.jsonl")) + ([current] if current.exists() else [])


def verify(folder: Path) -> AuditVerdict:
    """Walk the whole chain in `folder`.

    The first line there may follow on lines that were dropped for age. A last line without
    its newline is being written, or was torn by a crash: it is left out, not held against
    the trail.

    Raises:
        OSError: If a file cannot be read.
    """
    previous: str | None = None
    number: int | None = None
    count = 0
    for where, line in _lines(folder):
        found = _link(line)
        if found is None:
            return AuditVerdict(count, f"{where}: not a line of the audit trail")
        if previous is not None and found.prev != previous:
            return AuditVerdict(count, f"{where}: does not follow on the line before it")
        if number is not None and found.seq != number + 1:
            return AuditVerdict(count, f"{where}: number {found.seq} after {number}")
        if number is None and found.seq == 1 and found.prev != _GENESIS:
            return AuditVerdict(count, f"{where}: the first line names a line before it")
        previous, number, count = hashlib.sha256(line).hexdigest(), found.seq, count + 1
    return AuditVerdict(count, None)


class _Link(msgspec.Struct):
    """The part of a line that makes the chain."""

    seq: int
    prev: str


def _link(line: bytes) -> _Link | None:
    try:
        return msgspec.json.decode(line, type=_Link)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _number_of(line: bytes) -> int:
    link = _link(line)
    return link.seq if link else 0


def _lines(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in audit_files(folder):
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield f"{path.name}:{number}", line[:-1]
