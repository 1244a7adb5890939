"""Logs, audit, metrics and readiness of one gateway, built first so that all rooms can report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from carapace import __version__
from carapace.clock import Clock
from carapace.config.paths import Paths
from carapace.config.settings.logging import LoggingSettings, LogLevel
from carapace.telemetry.audit import Audit
from carapace.telemetry.health import Readiness
from carapace.telemetry.log import LogOptions, configure
from carapace.telemetry.log_file import LogFile
from carapace.telemetry.loop_lag import LoopLag
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor
from carapace.telemetry.ring import MAX_BYTES, LogTail, Ring
from carapace.value import Value

__all__ = ["Observing"]

_LevelName = Literal["debug", "info", "warning", "error", "critical"]
_LEVELS: Final[dict[LogLevel, _LevelName]] = {
    "silent": "critical",
    "fatal": "critical",
    "error": "error",
    "warn": "warning",
    "info": "info",
    "debug": "debug",
    "trace": "debug",
}


class Observing(Value, frozen=True):
    """Everything that watches."""

    redactor: Redactor
    audit: Audit
    metrics: Metrics
    readiness: Readiness
    loop_lag: LoopLag
    log_file: LogFile
    ring: Ring
    tail: LogTail

    @classmethod
    def build(cls, paths: Paths, settings: LoggingSettings, clock: Clock) -> Observing:
        """Make them; nothing is logged before `apply`."""
        redactor = Redactor()
        file = Path(settings.file).expanduser() if settings.file else _default_file(paths)
        log_file = LogFile(file, max_bytes=settings.max_file_bytes, max_files=settings.max_files)
        ring = _filled_ring(log_file)
        metrics = Metrics(__version__)
        return cls(
            redactor=redactor,
            audit=Audit(paths.state_dir / "audit", clock=clock, redactor=redactor),
            metrics=metrics,
            readiness=Readiness(),
            loop_lag=LoopLag(clock, metrics.loop_lag.observe, tasks=metrics.loop_tasks.set),
            log_file=log_file,
            ring=ring,
            tail=LogTail(ring, str(file)),
        )

    def apply(self, settings: LoggingSettings, *, is_quiet: bool) -> None:
        """Log as `settings` say; `is_quiet` leaves the console to warnings."""
        self.redactor.set_patterns(settings.redact_patterns)
        console = _LEVELS[settings.console_level or settings.level]
        if is_quiet and console in ("debug", "info"):
            console = "warning"
        style = "auto" if settings.console_style is None else settings.console_style
        outlets: tuple[Callable[[bytes], None], ...] = (self.ring.append, self.log_file.write)
        configure(
            LogOptions(
                level=_LEVELS[settings.level],
                console_level=console,
                style="pretty" if style == "compact" else style,
                stream=sys.stderr,
                redactor=self.redactor,
                outlets=outlets,
            )
        )

    def close(self) -> None:
        """Flush what is on its way to disk."""
        self.audit.close()
        self.log_file.close()


def _filled_ring(log_file: LogFile) -> Ring:
    """A ring with the file's last lines at the file's offsets: a client's cursor stays good."""
    lines = log_file.last_lines(MAX_BYTES)
    ring = Ring(start=log_file.size - sum(len(line) + 1 for line in lines))
    for line in lines:
        ring.append(line)
    return ring


def _default_file(paths: Paths) -> Path:
    return paths.state_dir / "logs" / "gateway.log"
