"""A gateway from start to stop.

Start is in floor order, stop the reverse: listen no more, let turns end until the deadline,
say goodbye to the clients, close providers, flush the store and the trails.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from carapace import __version__
from carapace.app import spare_memory, struct_types
from carapace.app.announcing import announce
from carapace.app.fitness import need_local, unfit
from carapace.app.observing import Observing
from carapace.app.options import Ready, UpOptions
from carapace.app.parts import Parts, build, provider_variables
from carapace.app.policy import tool_layers
from carapace.app.vault_watch import watch_vault
from carapace.clock import Clock, SystemClock
from carapace.config.changes import Change
from carapace.config.load import Overrides, load
from carapace.config.paths import resolve_paths
from carapace.config.reader import KeptReader
from carapace.config.service import ConfigService
from carapace.config.settings import Settings
from carapace.credentials.opening import vault_path
from carapace.errors import GatewayError, Refused
from carapace.hooks.points import GATEWAY_START, GATEWAY_STOP, GatewayStart, GatewayStop
from carapace.server.bind import listen, plan, tailnet_address
from carapace.server.http_metrics import MetricsListener
from carapace.server.tls import server_context
from carapace.telemetry.audit import AuditKind
from carapace.telemetry.log import get_logger

__all__ = ["Gateway"]

_log = get_logger(__name__)
# Together with the server's goodbye less than ten seconds, whatever hangs.
_TURNS_DEADLINE_S: Final = 4.0
_GRACE_S: Final = 1.5
_MARKS_DEADLINE_S: Final = 0.5
_SENDING_DEADLINE_S: Final = 1.5
_REQUESTS_DEADLINE_S: Final = 1.0
_HOOKS_DEADLINE_S: Final = 0.5


class Gateway:
    """One gateway in this process.

    Args:
        options: The flags.
        environment: The process's environment.
        clock: The time.
    """

    def __init__(
        self,
        options: UpOptions,
        *,
        environment: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._options = options
        self._environment = dict(os.environ if environment is None else environment)
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()
        self._parts: Parts | None = None

    async def start(self) -> Ready:
        """Bring everything up and listen.

        Raises:
            GatewayError: If something keeps it from starting; what was opened is closed.
        """
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self, reason: str = "stopping", restart_expected_ms: int | None = None) -> None:
        """End in order, within about ten seconds."""
        parts = self._parts
        if parts is not None:
            _log.info("gateway stops", reason=reason)
            parts.hook_bus.tell(GATEWAY_STOP, GatewayStop(reason=reason))
            await parts.server.close_door(reason=reason, restart_expected_ms=restart_expected_ms)
            parts.chats.inbound.stop()
            parts.execs.pending.close()
            parts.scheduling.stop()
            await parts.agent.drain(_TURNS_DEADLINE_S, grace_s=_GRACE_S)
            await parts.chats.stop_receiving(_MARKS_DEADLINE_S)
            await parts.chats.stop_sending(_SENDING_DEADLINE_S)
            await parts.server.stop(_REQUESTS_DEADLINE_S)
            await parts.plugins.aclose()
            await parts.mcp.aclose()
            await parts.hook_bus.drain(_HOOKS_DEADLINE_S)
            parts.observing.audit.record(AuditKind.GATEWAY_STOPPED, reason=reason)
        await self._stack.aclose()
        self._parts = None

    async def until_restart(self) -> None:
        """Return when this gateway shall be stopped and another started in its place."""
        if self._parts is not None:
            await self._parts.restarts.wanted.wait()

    async def _start(self) -> Ready:
        spare_memory.keep_small()
        struct_types.prepare()
        paths = resolve_paths(self._environment, self._options.path_flags())
        paths.make_state_dir()
        voice = _Voice()
        config = ConfigService(
            paths,
            self._options.overrides(self._environment),
            tell=voice.tell,
        )
        settings = config.settings
        _need_sense(config, self._options.overrides(self._environment))
        need_local(settings)
        observing = Observing.build(paths, settings.logging, self._clock)
        self._stack.callback(observing.close)
        observing.apply(settings.logging, is_quiet=not self._options.no_chat)
        for warning in paths.warnings:
            _log.warning(str(warning))
        voice.speak_up()
        parts = self._parts = await build(
            config,
            observing,
            environment=self._environment,
            clock=self._clock,
            stack=self._stack,
        )
        await self._open(parts, settings)
        return self._ready(parts)

    async def _open(self, parts: Parts, settings: Settings) -> None:
        """Listen, then let the clock and the file drive what they drive."""
        gateway = settings.gateway
        bind = plan(gateway, has_credential=True, tailnet=tailnet_address)
        if bind.warning:
            _log.warning(bind.warning)
        tls = server_context(gateway.tls)
        await parts.agent.recover()
        await parts.chats.recover()
        await parts.subagents.recover()
        await parts.restart_notes.tell(parts.config.snapshot().hash)
        _add_checks(parts)
        await parts.health.renew()
        sockets = listen(bind, gateway.port)
        await parts.server.start(sockets, tls)
        if settings.metrics.enabled:
            listener = MetricsListener(settings.metrics, parts.observing.metrics)
            await listener.start()
            self._stack.push_async_callback(listener.stop)
        parts.profiles.prepare()
        parts.meanings.start()
        self._apply_chats(parts, settings)
        parts.mcp.apply(settings.mcp)
        _tell_unknown_tools(parts)
        parts.config.subscribe(lambda _old, new, found: self._apply(parts, new, found))
        parts.config.refuse_unfit(lambda new: unfit(new, settings))
        parts.config.restart_with(lambda keys: _follow(parts, keys))
        for work, name in (
            (parts.config.watch(self._clock), "config watch"),
            (parts.observing.loop_lag.run(), "loop lag"),
            (parts.observing.audit.keep_synced(), "audit sync"),
            (parts.chats.inbound.run(), "inbound"),
            (parts.chats.sender.run(), "sender"),
            (parts.scheduling.cron.timer.run(), "cron"),
            (parts.scheduling.heartbeats.run(), "heartbeats"),
            (parts.files.store.run(), "media sweep"),
            (self._find_models(parts), "models"),
            (self._start_plugins(parts), "plugins"),
            (self._watch_vault(parts), "vault watch"),
            (announce(settings, bind), "announcement"),
            (spare_memory.watch(lambda: len(parts.server.hub), self._clock), "spare memory"),
        ):
            parts.tasks.start(work, name=name)
        parts.observing.audit.record(
            AuditKind.GATEWAY_STARTED, version=__version__, bind=gateway.bind, port=gateway.port
        )
        parts.hook_bus.tell(GATEWAY_START, GatewayStart(version=__version__, port=gateway.port))
        _log.info("gateway listens", bind=gateway.bind, port=gateway.port, version=__version__)

    def _apply_chats(self, parts: Parts, settings: Settings) -> None:
        """The chat services and hooks as the configuration wants them."""
        parts.egress.apply(settings.net)
        parts.files.apply(settings)
        parts.chats.parts.apply(settings, parts.profiles.default_id)
        parts.hooks.apply(settings.hooks)
        for trouble in parts.hooks.troubles():
            _log.warning("a hook is not served", reason=trouble)

    async def _start_plugins(self, parts: Parts) -> None:
        """Run what is installed; then tell which channels nobody brings."""
        await parts.plugins.start()
        for name, branch in parts.config.settings.channels.plugins.items():
            if branch.enabled is not False and parts.chats.parts.accounts.info(name) is None:
                _log.warning(
                    "a configured channel has no effect: no plugin that runs brings it; see "
                    "cara plugin list",
                    channel=name,
                )

    async def _find_models(self, parts: Parts) -> None:
        """What takes a moment and nobody should wait for: look for Ollama, end old hooks."""
        await parts.providers.refresh()
        parts.policies.forget()
        parts.health.changed()
        await parts.hooks.resume()

    def _apply(self, parts: Parts, new: Settings, found: tuple[Change, ...]) -> None:
        """A live change of the configuration reaches every room that follows it."""
        parts.observing.apply(new.logging, is_quiet=not self._options.no_chat)
        parts.providers.apply(new.models, new.agents, self._provider_variables(parts, new))
        parts.profiles.apply(new.agents)
        parts.budget.apply(new.agents)
        parts.agent.apply(max_concurrent=new.agents.defaults.max_concurrent)
        parts.tools.restrict(tool_layers(new))
        parts.execs.apply(new.tools.exec, parts.tools)
        _tell_unknown_tools(parts)
        parts.meanings.apply(new.memory.vectors)
        self._apply_chats(parts, new)
        parts.scheduling.apply(new)
        parts.plugins.apply()
        parts.mcp.apply(new.mcp)
        parts.policies.forget()
        parts.tasks.start(self._apply_auth(parts, new), name="apply auth")
        keys = ", ".join(change.key for change in found)
        parts.observing.audit.record(AuditKind.CONFIG_CHANGED, keys=keys[:500])
        _log.info("configuration applied", keys=keys)
        parts.health.changed()
        parts.server.announcer.health_changed()

    def _provider_variables(self, parts: Parts, settings: Settings) -> dict[str, str]:
        known = provider_variables(settings.env, self._environment)
        return {**known, **parts.provider_keys.variables}

    async def _watch_vault(self, parts: Parts) -> None:
        """A token rotated by the command line counts at once; clients of the old one are cut."""
        await watch_vault(
            vault_path(parts.config.paths.state_dir), self._clock, lambda: self._take_vault(parts)
        )

    async def _take_vault(self, parts: Parts) -> None:
        settings = parts.config.settings
        await self._apply_auth(parts, settings)
        try:
            is_new = await parts.provider_keys.load()
        except GatewayError as error:
            _log.error("the vault's keys were not taken", why=error.message)
            return
        if is_new:
            known = self._provider_variables(parts, settings)
            parts.providers.apply(settings.models, settings.agents, known)
            parts.policies.forget()

    async def _apply_auth(self, parts: Parts, new: Settings) -> None:
        try:
            await parts.authenticator.apply(new.gateway)
        except GatewayError as error:
            _log.error("the new credential was not taken", why=error.message)

    def _ready(self, parts: Parts) -> Ready:
        settings, paths = parts.config.settings, parts.config.paths
        scheme = "wss" if settings.gateway.tls.enabled else "ws"
        return Ready(
            port=settings.gateway.port,
            url=f"{scheme}://127.0.0.1:{settings.gateway.port}",
            pid=os.getpid(),
            version=__version__,
            config_path=str(paths.config_path),
            state_dir=str(paths.state_dir),
            token_source=parts.shared.source,
            config_issue=parts.config.trouble(),
            started_ms=_process_age_ms(),
        )


def _need_sense(config: ConfigService, above: Overrides) -> None:
    """A broken file starts on the defaults; a flag or variable without sense starts nothing.

    Whoever passed it waits for a gateway that is not the one the defaults make.
    """
    alone = load(config.paths.config_path, KeptReader({}), above)
    if alone.settings is None:
        raise Refused("; ".join(issue.message for issue in alone.issues))


def _follow(parts: Parts, keys: tuple[str, ...]) -> None:
    """A saved file wants a restart: after the quiet time that a saved file gets."""
    delay_ms = parts.config.settings.gateway.reload.debounce_ms
    parts.restarts.follow(f"changed: {', '.join(keys)[:500]}", delay_ms)


def _add_checks(parts: Parts) -> None:
    checks = parts.observing.readiness
    checks.add("store", parts.database.check)
    checks.add("event loop", parts.observing.loop_lag.check)
    checks.add("providers", parts.providers.check)
    checks.add("config", parts.config.trouble)
    checks.add("audit", parts.observing.audit.check)
    checks.add("outbox", parts.chats.sender.check)
    checks.add("channels", parts.chats.parts.accounts.trouble, is_optional=True)
    checks.add("memory", parts.meanings.check, is_optional=True)
    checks.add("plugins", parts.plugins.trouble, is_optional=True)
    checks.add("mcp", parts.mcp.trouble, is_optional=True)


def _tell_unknown_tools(parts: Parts) -> None:
    """A name with a slip in it would take nothing away, and nobody would see."""
    for key, name in parts.tools.unknown():
        _log.warning(
            "a list of tools names one that is not there; see cara config explain",
            key=key,
            tool=name,
        )


class _Voice:
    """What the configuration has to say, as log lines; kept until there is a log."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, str]] | None = []

    def tell(self, level: str, text: str) -> None:
        """One sentence."""
        if self._kept is not None:
            self._kept.append((level, text))
            return
        {"info": _log.info, "warning": _log.warning, "error": _log.error}[level](text)

    def speak_up(self) -> None:
        """The log is there."""
        kept, self._kept = self._kept or [], None
        for level, text in kept:
            self.tell(level, text)


def _process_age_ms() -> int:
    """Milliseconds since this process began, where the system tells; 0 elsewhere."""
    try:
        fields = Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()
        began_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0
    return max(0, round((time.clock_gettime(time.CLOCK_BOOTTIME) - began_s) * 1000))
