"""Lock file and log of installations, read and written together.

The lock carries the newest line of the log and is written first, so a crash can only leave the
log one line short, which the next read mends. A log that is longer, or shorter by more, means
that somebody put an older or another file there. Blocks: call it from a thread.
"""

from __future__ import annotations

from contextlib import suppress

from carapace.plugins.package.files import PluginFiles, disk_failure
from carapace.plugins.package.lock import (
    LOCK_NAME,
    LOG_NAME,
    MAX_LOCK_BYTES,
    MAX_LOG_BYTES,
    BrokenLock,
    KeptVersion,
    Lock,
    LockedPlugin,
    read_lock,
    recovered,
    write_lock,
)
from carapace.plugins.package.transparency import (
    GENESIS,
    BrokenLog,
    Change,
    Event,
    LogLine,
    head_of,
    read_log,
    write_line,
)
from carapace.plugins.state import PluginRefused, Refusal

__all__ = ["Ledger"]


class Ledger:
    """What is installed, and how it came to that.

    Args:
        files: The plugins folder.
        key: Vouches for the lock file.
    """

    def __init__(self, files: PluginFiles, key: bytes) -> None:
        self._files = files
        self._key = key

    def read(self) -> tuple[Lock, list[LogLine]]:
        """Both, checked against each other.

        Raises:
            PluginRefused: If one of them was changed from outside.
            Failed: If the disk does not give them.
        """
        try:
            raw = self._files.read_own(LOCK_NAME, max_bytes=MAX_LOCK_BYTES)
            lines, whole = read_log(self._log())
            if raw is None:
                return recovered(lines), lines
            lock = read_lock(raw, self._key)
            return lock, self._reconcile(lock, lines, whole)
        except OSError as error:
            raise disk_failure(error) from error
        except BrokenLog as error:
            raise PluginRefused(
                Refusal.LOG,
                f"The log of installations, plugins/{LOG_NAME}, cannot be trusted: {error}. No "
                "plugin runs. Restore the plugins folder from a backup, or remove it and install "
                "the plugins anew.",
            ) from error
        except BrokenLock as error:
            raise PluginRefused(
                Refusal.LOCK,
                f"The list of installed plugins, plugins/{LOCK_NAME}, cannot be trusted: {error}. "
                "No plugin runs. Restore it from a backup together with the vault; or remove it "
                "and install the plugins anew.",
            ) from error

    def commit(
        self,
        lock: Lock,
        plugin: LockedPlugin,
        kept: KeptVersion,
        event: Event,
        change: Change,
        *,
        floor: str | None = None,
    ) -> None:
        """Put `plugin` in place of what `lock` has under its id, and write down why.

        Args:
            lock: As it was just read.
            plugin: As it shall be.
            kept: The version that it is about.
            event: What was done.
            change: Who did it.
            floor: The rollback floor that the version sets, if any.

        Raises:
            Failed: If the disk does not take it.
        """
        last = lock.last_line
        line = LogLine(
            seq=last.seq + 1 if last else 1,
            at_ms=change.at_ms,
            event=event,
            plugin=plugin.id,
            version=kept.version,
            digest=kept.digest,
            publisher=kept.publisher,
            floor=floor,
            by=change.by,
            prev=head_of(write_line(last)) if last else GENESIS,
        )
        fresh = lock.with_plugin(plugin, line)
        try:
            end = self._log().rfind(b"\n") + 1
            self._files.replace_own(LOCK_NAME, write_lock(fresh, self._key))
            self._append(line, end)
        except OSError as error:
            raise disk_failure(error) from error
        with suppress(OSError):  # what is left lying is taken away the next time
            self._files.sweep(fresh.digests())

    def _reconcile(self, lock: Lock, lines: list[LogLine], whole: int) -> list[LogLine]:
        last = lock.last_line
        newest = lines[-1] if lines else None
        if last == newest:
            return lines
        previous = head_of(write_line(newest)) if newest else GENESIS
        if last is None or (last.seq, last.prev) != (len(lines) + 1, previous):
            raise BrokenLog("it does not end where the list of plugins says it does")
        self._append(last, whole)
        return [*lines, last]

    def _log(self) -> bytes:
        return self._files.read_own(LOG_NAME, max_bytes=MAX_LOG_BYTES) or b""

    def _append(self, line: LogLine, at: int) -> None:
        self._files.append_own(LOG_NAME, write_line(line) + b"\n", at=at)
