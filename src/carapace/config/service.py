"""The configuration in use: loads it, keeps it, reloads it, writes it, explains it.

A broken file never stops the gateway. The last configuration that worked is used instead,
or the defaults (loopback, authentication on) if there was none, and `trouble()` says so until
the file is mended.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from carapace.clock import Clock
from carapace.config.changes import Change, changes
from carapace.config.explain import Explanation, explain
from carapace.config.files import write_config
from carapace.config.json5 import Json5Error
from carapace.config.last_good import Kept, keep, recall
from carapace.config.load import Loaded, Overrides, load
from carapace.config.located import Key, key_text, parse_key
from carapace.config.paths import Paths
from carapace.config.reader import DiskReader, KeptReader, Reader, ReadError
from carapace.config.redact import restore_text
from carapace.config.settings import Settings
from carapace.config.snapshot import ConfigSnapshot, Source, snapshot
from carapace.config.watch import FileSignals, Signals, watch
from carapace.errors import Refused

__all__ = ["ConfigService", "Listener", "Tell"]

Listener = Callable[[Settings, Settings, tuple[Change, ...]], None]
Tell = Callable[[Literal["info", "warning", "error"], str], None]


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
        waits = old.gateway.reload.mode in {"off", "restart"}
        waiting = [one.key for one in changes(self._started, new) if not one.live]
        waiting += [one.key for one in found if waits and one.live]
        if found and waiting:
            self._tell("warning", f"Restart the gateway to apply: {', '.join(waiting)}.")
        self._restart = tuple(waiting)
        if found and not waits:
            self._used = fresh
            for listener in tuple(self._listeners):
                listener(old, new, found)
        return found

    def write(self, text: str, *, base_hash: str | None) -> tuple[Change, ...]:
        """Replace the file's text and apply it. Markers keep what is stored behind them.

        Raises:
            Refused: If the base hash is missing or stale, or the text is no configuration
                (`details.issues` says why).
        """
        stored = self._text() or ""
        try:
            restored = restore_text(text, stored)
        except Json5Error as error:
            place = f"line {error.line}, column {error.column}"
            raise Refused(f"invalid config: {place}: {error}") from None
        except KeyError as error:
            name = key_text(error.args[0])
            raise Refused(
                f"invalid config: {name} holds the marker of a hidden secret, and no secret is "
                "stored there. Write the secret itself."
            ) from None
        self._refuse_broken(restored)
        write_config(self._paths.config_path, restored, base_hash=base_hash)
        return self.reload()

    def _refuse_broken(self, text: str) -> None:
        path = self._paths.config_path
        trial = load(path, _Instead(self._reader, path, text), self._over)
        if trial.issues:
            listed = [{"path": one.path, "message": one.message} for one in trial.issues]
            raise Refused("invalid config", details={"issues": listed})

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
            used = load(path, KeptReader({}), dataclasses.replace(self._over, environment={}))
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
