"""Installs, upgrades, switches and removes plugins while the gateway runs.

One thing at a time. A version is used only after its signature held, an admin agreed to what it
may do, and the runtime could start it; until then, and if any of this fails, the version before
goes on running.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from carapace.clock import Clock
from carapace.config.settings.plugins import PluginEntry, PluginsSettings
from carapace.errors import Failed, GatewayError
from carapace.plugins.package.contents import Package, verify
from carapace.plugins.package.installed import Installed, InstalledPlugin
from carapace.plugins.package.lock import KeptVersion, LockedPlugin
from carapace.plugins.package.ports import PluginRuntime
from carapace.plugins.package.publishers import Trust
from carapace.plugins.package.report import PluginReport, Plugins, difference, report
from carapace.plugins.package.sources import RegistryName, Sources, parse_source
from carapace.plugins.package.transparency import Change, Event
from carapace.plugins.package.version import parse_version
from carapace.plugins.state import PluginRefused, PluginState, Refusal, Standing
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger

__all__ = ["Installer"]

_log = get_logger(__name__)
_TURN_DEADLINE_S: Final = 600.0


class _Run(NamedTuple):
    """What runs: the digest of a version, and the operator's rules for its requests."""

    digest: str
    rules: tuple[str, ...]


class Installer:
    """The plugins of this gateway.

    Args:
        root: The plugins folder; made if missing.
        key: Vouches for the list of plugins; from the vault.
        sources: Gets packages.
        settings: `plugins.*` as it is now.
        runtime: Runs what is installed.
        clock: For the log of installations.
        audit: Gets a line for everything that is done or refused.

    Raises:
        Failed: If the folder cannot be used.
    """

    def __init__(
        self,
        root: Path,
        key: bytes,
        *,
        sources: Sources,
        settings: Callable[[], PluginsSettings],
        runtime: PluginRuntime,
        clock: Clock,
        audit: Audit,
    ) -> None:
        self._installed = Installed(root, key)
        self._sources = sources
        self._settings = settings
        self._runtime = runtime
        self._clock = clock
        self._audit = audit
        self._busy = asyncio.Lock()
        self._running: dict[str, _Run] = {}
        self._troubles: dict[str, PluginState] = {}

    def close(self) -> None:
        """Let go of the folder; ending the plugins is the runtime's business."""
        self._installed.close()

    async def settle(self) -> None:
        """Run what shall run and end what shall not, by the settings and files as they are now.

        To be called at start and whenever `plugins.*` changed. What cannot run is told in the
        list and in the log; it keeps nothing else from running.
        """
        async with self._turn():
            try:
                lock = await asyncio.to_thread(self._installed.read)
            except GatewayError as error:
                _log.error("no plugin runs", why=error.message)
                self._audit.record(AuditKind.PLUGIN_REFUSED, plugin=None, reason=_word(error))
                for plugin_id in tuple(self._running):
                    await self._end(plugin_id)
                return
            for plugin_id in {*lock.plugins, *self._running}:
                await self._settle_one(plugin_id, lock.plugins.get(plugin_id))

    async def list(self) -> Plugins:
        """All plugins, how they are and why."""
        try:
            lock = await asyncio.to_thread(self._installed.read)
        except GatewayError as error:
            return Plugins((), error.message)
        here = sorted((own for own in lock.plugins.values() if own.versions), key=lambda o: o.id)
        return Plugins(tuple([await asyncio.to_thread(self._report, own) for own in here]))

    async def install(self, source: str, *, accept: bool = False, by: str) -> PluginReport:
        """Get a package and use it, if it asks for nothing that nobody agreed to.

        Else it is kept, and `pending` of the answer says what somebody has to agree to.

        Args:
            source: A path, an https address or a name in the registry; see `parse_source`.
            accept: Agree to whatever it asks for.
            by: Who asks, for the trails.

        Raises:
            PluginRefused: If it is no good; says by which rule.
            Failed: If the disk does not take it.
        """
        return await self._take(source, None, accept=accept, by=by)

    async def upgrade(
        self, plugin_id: str, source: str | None = None, *, accept: bool = False, by: str
    ) -> PluginReport:
        """Likewise, for a plugin that is here; without a source from where it came.

        Raises:
            PluginRefused: Also if it is not here, or the package is of another plugin.
            Failed: If the disk does not take it.
        """
        own = await self._known(plugin_id)
        return await self._take(source or own.versions[-1].source, plugin_id, accept=accept, by=by)

    async def consent(
        self, plugin_id: str, digest: str, *, accept: bool = True, by: str
    ) -> PluginReport | None:
        """Agree to what a waiting version asks for, and use it; or let go of it.

        Args:
            plugin_id: Which plugin.
            digest: Of the waiting version, as it was shown; another one is not agreed to.
            accept: False to let go of it.
            by: Who decides.

        Returns:
            How the plugin is now; None if nothing of it is left.

        Raises:
            PluginRefused: If no such version waits, or it does not start.
            Failed: If the disk does not take it.
        """
        async with self._turn():
            own = await self._known(plugin_id)
            if own.pending != digest:
                raise PluginRefused(
                    Refusal.UNKNOWN,
                    f"No such version of {plugin_id} waits for consent; look again: cara plugin "
                    "list",
                )
            if accept:
                event = Event.UPGRADED if own.active else Event.INSTALLED
                return await self._use(own, digest, event, by)
            await asyncio.to_thread(self._installed.discard, plugin_id, self._change(by))
            self._audit.record(AuditKind.PLUGIN_REMOVED, plugin=plugin_id, by=by, what="pending")
            return await self._report_of(plugin_id)

    async def switch(self, plugin_id: str, *, enabled: bool, by: str) -> PluginReport:
        """Let it run, or not; it stays that way after a restart.

        If it shall run and cannot, the answer's state says why.

        Raises:
            PluginRefused: If it is not here.
            Failed: If the disk does not take it.
        """
        async with self._turn():
            await self._known(plugin_id)
            change = self._change(by)
            own = await asyncio.to_thread(
                self._installed.switch, plugin_id, change, enabled=enabled
            )
            self._audit.record(AuditKind.PLUGIN_SWITCHED, plugin=plugin_id, by=by, enabled=enabled)
            await self._settle_one(plugin_id, own)
            return await asyncio.to_thread(self._report, own)

    async def rollback(
        self, plugin_id: str, version: str | None = None, *, accept: bool = False, by: str
    ) -> PluginReport:
        """Use a version that is kept from before.

        Args:
            plugin_id: Which plugin.
            version: Which version; the one before if None.
            accept: Agree to what that version asks for beyond the one in use.
            by: Who asks.

        Raises:
            PluginRefused: If there is none, its publisher lets nobody go back to it, it asks for
                more and `accept` is False, or it does not start.
            Failed: If the disk does not take it.
        """
        async with self._turn():
            own = await self._known(plugin_id)
            kept = _earlier(own, version)
            found = await asyncio.to_thread(
                self._installed.load_version, plugin_id, kept.digest, self._trust()
            )
            diff = difference(own, kept, found.manifest)
            if diff.is_wider and not accept:
                raise PluginRefused(
                    Refusal.CONSENT,
                    f"{plugin_id} {kept.version} may do more than {plugin_id} does now: "
                    f"{'; '.join(diff.added)}. If you agree: cara plugin rollback {plugin_id} "
                    f"{kept.version} --yes",
                )
            return await self._use(own, kept.digest, Event.ROLLED_BACK, by)

    async def remove(self, plugin_id: str, *, by: str) -> None:
        """End it and forget all of its versions.

        Raises:
            PluginRefused: If it is not here.
            Failed: If the disk does not take it.
        """
        async with self._turn():
            await self._known(plugin_id)
            await self._end(plugin_id)
            self._troubles.pop(plugin_id, None)
            await asyncio.to_thread(self._installed.remove, plugin_id, self._change(by))
            self._audit.record(AuditKind.PLUGIN_REMOVED, plugin=plugin_id, by=by, what="all")

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """One thing at a time, and none for ever."""
        try:
            async with asyncio.timeout(_TURN_DEADLINE_S), self._busy:
                yield
        except TimeoutError as error:
            raise Failed(
                "Plugins are busy, or one of them takes too long to start; see cara plugin list "
                "and the log, and try again.",
                retryable=True,
            ) from error

    async def _take(
        self, source: str, expected_id: str | None, *, accept: bool, by: str
    ) -> PluginReport:
        try:
            wanted = parse_source(source)
            contents = await self._sources.fetch(wanted)
            package = await asyncio.to_thread(verify, contents, self._trust())
            _check_id(package, expected_id)
            label = wanted.plugin_id if isinstance(wanted, RegistryName) else source
            async with self._turn():
                return await self._stage(package, label, accept=accept, by=by)
        except PluginRefused as error:
            self._audit.record(
                AuditKind.PLUGIN_REFUSED, plugin=expected_id, reason=_word(error), by=by
            )
            raise

    async def _stage(self, package: Package, source: str, *, accept: bool, by: str) -> PluginReport:
        own = await asyncio.to_thread(
            self._installed.stage, package, source=source, change=self._change(by)
        )
        waiting = own.kept(own.pending)
        if waiting is None:  # again what is in use: its files are whole now
            await self._settle_one(own.id, own)
            return await asyncio.to_thread(self._report, own)
        if difference(own, waiting, package.manifest).is_wider and not accept:
            return await asyncio.to_thread(self._report, own)
        event = Event.UPGRADED if own.active else Event.INSTALLED
        return await self._use(own, waiting.digest, event, by)

    async def _use(self, own: LockedPlugin, digest: str, event: Event, by: str) -> PluginReport:
        """Start this version, and if it starts, use it from now on."""
        found = await asyncio.to_thread(self._installed.load_version, own.id, digest, self._trust())
        if self._why_not(own) is None:
            await self._start(found)
        try:
            used = await asyncio.to_thread(
                self._installed.activate, found, self._change(by), event=event
            )
        except GatewayError:
            await self._settle_one(own.id, own)  # what it was before
            raise
        self._troubles.pop(own.id, None)
        self._audit.record(
            AuditKind.PLUGIN_INSTALLED,
            plugin=own.id,
            version=found.version,
            event=event.value,
            publisher=found.manifest.publisher,
            by=by,
        )
        return await asyncio.to_thread(self._report, used)

    async def _start(self, found: InstalledPlugin) -> None:
        """Hand a verified plugin to the runtime.

        Raises:
            PluginRefused: If it does not start; what ran before still does.
        """
        run = _Run(found.digest, self._rules(found.id))
        try:
            await self._runtime.add(found)
        except GatewayError as error:
            raise PluginRefused(
                Refusal.RUNTIME,
                f"{found.id} {found.version} does not start: {error.message}",
            ) from error
        self._running[found.id] = run
        if not found.is_signed:
            _log.warning("an unsigned plugin runs", plugin=found.id, version=found.version)

    async def _end(self, plugin_id: str) -> None:
        if self._running.pop(plugin_id, None) is not None:
            await self._runtime.remove(plugin_id)

    async def _settle_one(self, plugin_id: str, own: LockedPlugin | None) -> None:
        """Make one plugin run or not run, as it should; trouble is kept for the list."""
        self._troubles.pop(plugin_id, None)
        if own is None or own.active is None or self._why_not(own) is not None:
            await self._end(plugin_id)
            return
        try:
            found = await asyncio.to_thread(self._installed.load, plugin_id, self._trust())
            if self._running.get(plugin_id) != _Run(found.digest, self._rules(plugin_id)):
                await self._start(found)
        except PluginRefused as error:
            self._troubles[plugin_id] = PluginState(Standing.REFUSED, error.message, error.refusal)
            _log.error("a plugin does not run", plugin=plugin_id, why=error.message)
            self._audit.record(AuditKind.PLUGIN_REFUSED, plugin=plugin_id, reason=_word(error))
            running = self._running.get(plugin_id)
            is_outdated = running is not None and running.rules != self._rules(plugin_id)
            if error.refusal is not Refusal.RUNTIME or is_outdated:
                # What ran before may not go on by rules that the operator took back.
                await self._end(plugin_id)

    async def _known(self, plugin_id: str) -> LockedPlugin:
        lock = await asyncio.to_thread(self._installed.read)
        own = lock.plugins.get(plugin_id)
        if own is None or not own.versions:
            raise PluginRefused(
                Refusal.UNKNOWN,
                f"There is no plugin {plugin_id[:40]!r} here. See: cara plugin list",
            )
        return own

    async def _report_of(self, plugin_id: str) -> PluginReport | None:
        lock = await asyncio.to_thread(self._installed.read)
        own = lock.plugins.get(plugin_id)
        return await asyncio.to_thread(self._report, own) if own and own.versions else None

    def _report(self, own: LockedPlugin) -> PluginReport:
        """Blocks: reads the manifests."""
        active, waiting = own.kept(own.active), own.kept(own.pending)
        return report(
            own,
            self._state(own),
            manifest=self._installed.manifest(active) if active else None,
            pending=self._installed.manifest(waiting) if waiting else None,
            rollbacks=tuple(one.version for one in _candidates(own)),
        )

    def _state(self, own: LockedPlugin) -> PluginState:
        if own.active is None:
            return PluginState(
                Standing.WAITS_FOR_CONSENT, f"Look at what it may do: cara plugin consent {own.id}"
            )
        if (reason := self._why_not(own)) is not None:
            return PluginState(Standing.DISABLED, reason)
        if (trouble := self._troubles.get(own.id)) is not None:
            return trouble
        host = self._runtime.state(own.id)
        return PluginState(host.phase.value, host.reason)

    def _why_not(self, own: LockedPlugin) -> str | None:
        """Why it shall not run, by the word of a person; None if it shall."""
        settings = self._settings()
        if not settings.enabled:
            return "plugins.enabled is false"
        if not settings.entries.get(own.id, PluginEntry()).enabled:
            return f"plugins.entries.{own.id}.enabled is false"
        return None if own.enabled else f"let it run: cara plugin enable {own.id}"

    def _rules(self, plugin_id: str) -> tuple[str, ...]:
        """What the operator lets it reach beside its manifest; taken in when it starts."""
        return self._settings().entries.get(plugin_id, PluginEntry()).http

    def _trust(self) -> Trust:
        settings = self._settings()
        return Trust.of(settings.trusted_publishers, allow_unsigned=settings.allow_unsigned)

    def _change(self, by: str) -> Change:
        return Change(by, self._clock.now_ms())


def _check_id(package: Package, expected: str | None) -> None:
    if expected not in {None, package.manifest.id}:
        raise PluginRefused(
            Refusal.SOURCE, f"The package is of {package.manifest.id}, not of {expected}."
        )


def _candidates(own: LockedPlugin) -> list[KeptVersion]:
    """Versions one may go back to, the nearest first."""
    floor = parse_version(own.floor) if own.floor else None
    return [
        one
        for one in reversed(own.versions)
        if one.digest not in {own.active, own.pending}
        and (floor is None or parse_version(one.version) >= floor)
    ]


def _earlier(own: LockedPlugin, version: str | None) -> KeptVersion:
    candidates = _candidates(own)
    found = next((one for one in candidates if version in {None, one.version}), None)
    if found is None or own.active is None:
        there = ", ".join(one.version for one in candidates) or "none"
        raise PluginRefused(
            Refusal.UNKNOWN,
            f"There is no such version of {own.id} to go back to; kept and allowed: {there}",
        )
    return found


def _word(error: GatewayError) -> str:
    return error.refusal.value if isinstance(error, PluginRefused) else "disk"
