"""The configuration in use: loads it, keeps it, reloads it, writes it, explains it.

A broken file never stops the gateway. The last configuration that worked is used instead,
or the defaults (loopback, authentication on) if there was none, and `trouble()` says so until
the file is mended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec
import msgspec.structs

from carapace.clock import Clock
from carapace.config.changes import Change, changes
from carapace.config.check import check
from carapace.config.explain import Explanation, explain
from carapace.config.files import text_hash, write_config
from carapace.config.issue import Issue
from carapace.config.last_good import Kept, keep, recall
from carapace.config.load import Loaded, Overrides, load
from carapace.config.located import Key, parse_key
from carapace.config.paths import Paths
from carapace.config.programs import refuse_programs
from carapace.config.reader import DiskReader, KeptReader, Reader, ReadError
from carapace.config.redact import redact_text
from carapace.config.settings import Settings
from carapace.config.snapshot import ConfigSnapshot, Source, snapshot
from carapace.config.watch import FileSignals, Signals, watch
from carapace.config.writing import (
    Draft,
    patched,
    refuse_issues,
    refuse_unknown,
    require_base,
    restored,
)
from carapace.errors import Failed, Refused

__all__ = ["ConfigService", "Listener", "Tell"]

Listener = Callable[[Settings, Settings, tuple[Change, ...]], None]
Tell = Callable[[Literal["info", "warning", "error"], str], None]
_APPLIES: Final = frozenset({"hybrid", "hot"})
"""Modes in which what is live counts at once."""


class ConfigService:
    """Holds the settings in use.

    Args:
        paths: Where the file and the state folder are.
        over: Environment and flags, which stand above the file.
        tell: Hears what an operator should know, as whole sentences; the caller logs them.
        reader: Where files come from.
    """

    def __init__(
        self,
        paths: Paths,
        over: Overrides,
        *,
        tell: Tell = lambda _level, _text: None,
        reader: Reader | None = None,
    ) -> None:
        self._paths = paths
        self._over = over
        self._tell = tell
        self._reader = reader or DiskReader()
        self._listeners: list[Listener] = []
        self._restarters: list[Callable[[tuple[str, ...]], None]] = []
        self._unfit: Callable[[Settings], tuple[Issue, ...]] = lambda _settings: ()
        self._restart: tuple[str, ...] = ()
        self._used: Loaded
        self._source: Source
        self._used, self._source = self._start()
        self._started = self.settings

    def _start(self) -> tuple[Loaded, Source]:
        fresh = self._load()
        self._tell_findings(fresh)
        if fresh.settings is None:
            used, source = self._fall_back()
            self._adopt(fresh, source)
            return used, source
        self._keep(fresh)
        self._adopt(fresh, _source(fresh))
        return fresh, _source(fresh)

    @property
    def settings(self) -> Settings:
        """The settings in use."""
        return self._used.settings or Settings()

    @property
    def source(self) -> Source:
        """Where they come from."""
        return self._source

    @property
    def paths(self) -> Paths:
        """Where the file and the state folder are."""
        return self._paths

    @property
    def restart_needed(self) -> tuple[str, ...]:
        """Keys that changed since the start and wait for a restart."""
        return self._restart

    def snapshot(self) -> ConfigSnapshot:
        """The file as it was last read, secrets hidden. Built once per change."""
        return self._snapshot

    def payload(self) -> msgspec.Raw:
        """The snapshot as JSON, built once per change."""
        return self._payload

    def trouble(self) -> str | None:
        """Why the file is not what is in use, for health, log and command line; or None."""
        if not self._snapshot.issues:
            return None
        used = {"last-good": "the last good configuration", "defaults": "the safe defaults"}
        return (
            f"The configuration is broken: {self._snapshot.issues[0].message} "
            f"Running on {used.get(self._source, 'the environment')} until it is mended; "
            "`cara config validate` lists all problems."
        )

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(old, new, changes)` after each reload that changed something.

        Returns:
            A function that ends the subscription.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def restart_with(self, restart: Callable[[tuple[str, ...]], None]) -> None:
        """Call `restart(keys)` when a change waits for a restart.

        Only where `gateway.reload.mode` is `hybrid` or `restart`; the others leave it to a person.
        """
        self._restarters.append(restart)

    def refuse_unfit(self, unfit: Callable[[Settings], tuple[Issue, ...]]) -> None:
        """Have `unfit(settings)` say why a gateway could not start with these settings.

        What it finds refuses a write, and keeps a changed file from restarting the gateway.
        """
        self._unfit = unfit

    def explain(self, key: str) -> Explanation:
        """Value, origin, default and meaning of one setting.

        Raises:
            Refused: If there is no such setting.
        """
        return explain(_key(key), self._used)

    def reload(self) -> tuple[Change, ...]:
        """Read the file again and apply it; a broken one changes nothing but the snapshot.

        Returns:
            What changed, applied or waiting for a restart.
        """
        fresh = self._load()
        self._tell_findings(fresh)
        if fresh.settings is None:
            self._source = "last-good" if self._used.settings else "defaults"
            self._adopt(fresh, self._source)
            return ()
        self._source = _source(fresh)
        self._adopt(fresh, self._source)
        self._keep(fresh)
        return self._apply(fresh, fresh.settings)

    def _apply(self, fresh: Loaded, new: Settings) -> tuple[Change, ...]:
        old = self.settings
        found = changes(old, new)
        mode = old.gateway.reload.mode
        self._restart = self._waits_for_restart(found, new)
        if found and mode in _APPLIES:
            self._used = fresh
            for listener in tuple(self._listeners):
                listener(old, new, found)
        if found and self._restart:
            self._leave_to_restart(new, is_wanted=mode in {"hybrid", "restart"})
        return found

    def _waits_for_restart(self, found: tuple[Change, ...], new: Settings) -> tuple[str, ...]:
        """The keys of `new` that do not count before a restart."""
        waiting = [one.key for one in changes(self._started, new) if not one.live]
        if self.settings.gateway.reload.mode not in _APPLIES:
            waiting += [one.key for one in found if one.live]
        return tuple(waiting)

    def _leave_to_restart(self, new: Settings, *, is_wanted: bool) -> None:
        """Restart for what waits, where that is wanted and possible; else tell a person."""
        keys = ", ".join(self._restart)
        unfit = self._unfit(new)
        if unfit:
            self._tell("error", f"No restart to apply {keys}: {unfit[0].message}")
        elif is_wanted and self._restarters:
            self._tell("info", f"The gateway restarts to apply: {keys}.")
            for restart in self._restarters:
                restart(self._restart)
        else:
            self._tell("warning", f"Restart the gateway to apply: {keys}.")

    def draft(self, raw: str, *, base_hash: str | None) -> Draft:
        """A whole new text of the file, checked and ready for `commit`.

        Markers keep what is stored behind them.

        Args:
            raw: JSON5.
            base_hash: `hash` of the snapshot that the text was made from; may be left out only
                when there is no file yet.

        Raises:
            Refused: If the base hash is missing or stale, or the text is no configuration
                (`details.issues` says why).
        """
        stored = self._text()
        require_base(base_hash, stored)
        return self._checked(restored(raw, stored), stored)

    def draft_patch(self, raw: str, *, base_hash: str | None) -> Draft:
        """The file's text with the merge patch `raw` (RFC 7396, JSON5) applied; as `draft`.

        Comments and layout stay; markers in the patch keep what is stored.
        """
        stored = self._text()
        require_base(base_hash, stored)
        before = self._load()
        if before.issues:
            raise Refused("invalid config; fix before patching")
        return self._checked(patched(raw, stored, before, self._paths.config_path), stored)

    async def commit(self, draft: Draft) -> tuple[Change, ...]:
        """Write a draft and apply what is live; the disk is waited for in a thread.

        Returns:
            What changed, applied or waiting for a restart.

        Raises:
            Refused: If the file has changed since the draft was made.
            Failed: If the file cannot be written; it is as it was.
        """
        await asyncio.to_thread(self._write, draft)
        return self.reload()

    def write(self, text: str, *, base_hash: str | None) -> tuple[Change, ...]:
        """`draft` and `commit` in one step, for callers that may wait for the disk."""
        self._write(self.draft(text, base_hash=base_hash))
        return self.reload()

    def _write(self, draft: Draft) -> None:
        path = self._paths.config_path
        try:
            write_config(path, draft.text, base_hash=draft.base_hash)
        except OSError as error:
            raise Failed(
                f"The configuration could not be written ({error.strerror or error}); it is as it "
                f"was. Look at the disk and the rights of {path}, then try again."
            ) from error

    def _checked(self, text: str, stored: str | None) -> Draft:
        path = self._paths.config_path
        trial = load(path, _Instead(self._reader, path, text), self._over)
        self._refuse_foreign(trial)
        refuse_issues(trial.issues)
        # A flag or variable may stand above what is wrong; the next start may be without it.
        refuse_issues([one.issue() for one in check(trial.tree).problems])
        now = self._load()
        known = (now.tree,) if now.settings else (now.tree, self._used.tree)
        refuse_unknown(trial.tree, known)
        settings = trial.settings or Settings()
        refuse_programs(now.settings or self.settings, settings)
        refuse_issues(self._unfit(settings))
        found = changes(self.settings, settings)
        return Draft(
            text,
            base_hash=text_hash(stored),
            hash=text_hash(redact_text(text)),
            keys=tuple(one.key for one in found),
            needs_restart=bool(self._waits_for_restart(found, settings)),
        )

    def _refuse_foreign(self, trial: Loaded) -> None:
        """A client may not have files read that lie elsewhere; who edits the file may (H01)."""
        folder = self._reader.real(self._paths.config_path.parent)
        for path in sorted(trial.wanted - self._wanted):
            if not self._reader.real(path).is_relative_to(folder):
                raise Refused(
                    f"invalid config: $include may lead out of {folder} only if it is written "
                    "into the file on the gateway's own machine."
                )

    async def watch(self, clock: Clock, signals: Signals | None = None) -> None:
        """Reload after each change of the file or what it includes; until cancelled.

        Run it as a task of the service that owns this one.
        """
        await watch(
            lambda: self._wanted,
            self.reload,
            signals=signals or FileSignals(),
            clock=clock,
            debounce_s=lambda: self.settings.gateway.reload.debounce_ms / 1000,
        )

    def _load(self) -> Loaded:
        return load(self._paths.config_path, self._reader, self._over)

    def _fall_back(self) -> tuple[Loaded, Source]:
        path = self._paths.config_path
        kept = recall(self._paths.last_good, self._root(path))
        if kept is not None:
            used = load(path, KeptReader(kept.files), self._over)
            if used.settings is not None:
                self._tell("error", "Started on the last good configuration.")
                return used, "last-good"
        used = load(path, KeptReader({}), self._over)
        if used.settings is None:  # the environment is wrong too; nothing of it is used
            used = load(path, KeptReader({}), msgspec.structs.replace(self._over, environment={}))
        self._tell("error", "Started on the safe defaults: there is no last good configuration.")
        return used, "defaults"

    def _adopt(self, fresh: Loaded, source: Source) -> None:
        self._wanted = fresh.wanted
        self._snapshot = snapshot(self._paths.config_path, fresh, self._text(fresh), source)
        self._payload = msgspec.Raw(msgspec.json.encode(self._snapshot))

    def _text(self, fresh: Loaded | None = None) -> str | None:
        """The root file's text now; None if it is missing or unreadable."""
        if fresh is not None and fresh.text is not None:
            return fresh.text
        try:
            return self._reader.read(self._paths.config_path)
        except (FileNotFoundError, ReadError):
            return None

    def _root(self, path: Path) -> Path:
        return self._reader.real(path)

    def _keep(self, fresh: Loaded) -> None:
        if fresh.text is None:
            return
        root = str(self._root(self._paths.config_path))
        try:
            keep(self._paths.last_good, Kept(root, fresh.files))
        except OSError as error:
            self._tell("warning", f"The last good configuration could not be kept: {error}.")

    def _tell_findings(self, fresh: Loaded) -> None:
        for issue in fresh.issues:
            self._tell("error", issue.message)
        for warning in (*self._paths.warnings, *fresh.warnings):
            self._tell("warning", warning.message)


class _Instead:
    """Reads as another reader does, with one file's text replaced."""

    __slots__ = ("_inner", "_path", "_text")

    def __init__(self, inner: Reader, path: Path, text: str) -> None:
        self._inner = inner
        self._path = inner.real(path)
        self._text = text

    def read(self, path: Path) -> str:
        return self._text if self.real(path) == self._path else self._inner.read(path)

    def real(self, path: Path) -> Path:
        return self._inner.real(path)


def _source(fresh: Loaded) -> Source:
    return "file" if fresh.text is not None else "defaults"


def _key(text: str) -> Key:
    try:
        return parse_key(text)
    except ValueError as error:
        raise Refused(str(error)) from None
