"""What `cara doctor` looks at. Each check answers with findings; some can be mended.

Checks read; only a finding's `fix`, which the verb calls after asking, changes anything.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from carapace.cli.client import GatewayClient
from carapace.cli.options import Remote
from carapace.cli.port_owner import port_owner
from carapace.cli.pulling import CLI_AUDIT, library_of
from carapace.cli.target import Target, find_target, is_this_machine, load_config
from carapace.cli.trouble import Trouble
from carapace.clock import SystemClock
from carapace.config.files import replace_file
from carapace.config.last_good import recall
from carapace.config.load import Loaded
from carapace.config.paths import Paths
from carapace.config.reader import DiskReader
from carapace.credentials.opening import open_vault
from carapace.errors import GatewayError
from carapace.store.integrity import integrity_problems
from carapace.telemetry.audit import verify
from carapace.triggers.hook_mappings import settings_troubles
from carapace.value import Value

__all__ = ["CHECKS", "Finding", "Patient", "examine"]

_MIN_FREE_BYTES: Final = 500_000_000
_MAX_SKEW_MS: Final = 60_000
_MIN_PYTHON: Final = (3, 11)
_WELL: Final = frozenset({"running", "idle", "starting"})
_LOST: Final = frozenset({"refused", "quarantined"})
_OLDEST_SANE_S: Final = 1_780_000_000
"""The middle of 2026: a clock before that has lost its battery."""


class Finding(Value, frozen=True):
    """One thing that was looked at.

    Attributes:
        name: What was looked at.
        state: `bad` keeps the gateway from working, `warn` will bite some day.
        text: What is so.
        next_step: What to do, if anything.
        fix: Mends it and says what it did.
    """

    name: str
    state: Literal["ok", "warn", "bad"]
    text: str
    next_step: str | None = None
    fix: Callable[[], str] | None = None


class Patient(Value, frozen=True):
    """What is examined."""

    paths: Paths
    loaded: Loaded
    remote: Remote


def _python(_patient: Patient) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _MIN_PYTHON:
        yield Finding("python", "bad", f"{version} is too old", "Install Python 3.11 or newer")
    else:
        yield Finding("python", "ok", version)


def _config(patient: Patient) -> Iterator[Finding]:
    issues = patient.loaded.issues
    path = patient.paths.config_path
    if not issues:
        exists = "is fine" if patient.loaded.text is not None else "does not exist; defaults count"
        yield Finding("config", "ok", f"{path} {exists}")
    for number, issue in enumerate(issues):
        kept = recall(patient.paths.last_good, DiskReader().real(path)) if number == 0 else None
        yield Finding(
            "config",
            "bad",
            issue.message,
            "Mend the file; or put the last good one back: cara doctor --fix"
            if kept
            else "Mend the file; cara config set works on a broken one too",
            (lambda: _restore(patient.paths)) if kept else None,
        )
    for warning in patient.loaded.warnings:
        yield Finding("config", "warn", warning.message)


def _restore(paths: Paths) -> str:
    root = DiskReader().real(paths.config_path)
    kept = recall(paths.last_good, root)
    if kept is None:
        return "the last good configuration is gone; nothing was changed"
    aside = root.with_name(f"{root.name}.broken-{SystemClock().now():%Y%m%dT%H%M%SZ}")
    replace_file(aside, root.read_bytes())
    replace_file(root, kept.files[str(root)].encode())
    return f"put the last good configuration back; the broken one is {aside}"


def _permissions(patient: Patient) -> Iterator[Finding]:
    folder = patient.paths.state_dir
    if os.name == "nt" or not folder.exists():
        yield Finding(
            "state folder", "ok", f"{folder} {'' if folder.exists() else 'is not made yet'}"
        )
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            "state folder",
            "bad",
            f"{folder} cannot be written",
            f"Give it to the user who runs the gateway: chown -R {os.getuid()} {folder}",
        )
        return
    private = [folder, patient.paths.config_path, patient.paths.last_good]
    private += [path for name in ("credentials", "audit", "logs") for path in _tree(folder / name)]
    open_ones = [path for path in private if path.exists() and _is_open(path)]
    if open_ones:
        yield Finding(
            "state folder",
            "bad",
            f"others can read {', '.join(map(str, open_ones[:3]))}"
            f"{' and more' if len(open_ones) > 3 else ''}",  # noqa: PLR2004 - as sliced
            "Close them: cara doctor --fix",
            lambda: _close(open_ones),
        )
    else:
        yield Finding("state folder", "ok", f"{folder} is private")


def _tree(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")] if folder.is_dir() else []


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _close(paths: Iterable[Path]) -> str:
    count = 0
    for path in paths:
        path.chmod(0o700 if path.is_dir() else 0o600)
        count += 1
    return f"closed {count} to others"


def _disk(patient: Patient) -> Iterator[Finding]:
    folder = patient.paths.state_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free // 1_000_000:,} MB free at {folder}"
    if free < _MIN_FREE_BYTES:
        yield Finding("disk", "warn", text, "Make room: a full disk stops writing, not reading")
    else:
        yield Finding("disk", "ok", text)


def _database(patient: Patient) -> Iterator[Finding]:
    found = sorted(patient.paths.state_dir.glob("*.sqlite")) + sorted(
        patient.paths.state_dir.glob("*.db")
    )
    if not found:
        yield Finding("database", "ok", "not made yet")
    for path in found:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            report = integrity_problems(connection, path, quick=False)
        finally:
            connection.close()
        if report.problems:
            yield Finding(
                "database",
                "bad",
                f"{path} is damaged: {report.problems[0]}",
                "Stop the gateway, keep a copy, and put the newest backup in its place",
            )
        else:
            yield Finding("database", "ok", f"{path.name} is whole")


def _audit(patient: Patient) -> Iterator[Finding]:
    for name in ("audit", CLI_AUDIT):
        folder = patient.paths.state_dir / name
        if not folder.is_dir():
            continue
        try:
            verdict = verify(folder)
        except OSError as error:
            yield Finding("audit trail", "bad", f"{folder} cannot be read: {error.strerror}")
            continue
        if verdict.problem:
            yield Finding(
                "audit trail",
                "bad",
                f"the chain is broken: {verdict.problem}",
                "Somebody changed it, or a disk did. Keep the files and compare them with a backup",
            )
        else:
            yield Finding("audit trail", "ok", f"{verdict.lines} lines, unbroken")


def _vault(patient: Patient) -> Iterator[Finding]:
    if not patient.paths.state_dir.exists():
        yield Finding("vault", "ok", "not made yet")
        return
    try:
        names = asyncio.run(_names(patient.paths))
    except GatewayError as error:
        yield Finding("vault", "bad", error.message)
    else:
        yield Finding("vault", "ok", f"opens, {len(names)} entries")


async def _names(paths: Paths) -> list[str]:
    return await (await open_vault(paths.state_dir, os.environ)).names()


def _models(patient: Patient) -> Iterator[Finding]:
    settings = patient.loaded.settings
    if settings is None:
        return
    own = ", ".join(settings.models.providers)
    here = [model.name for model in library_of(patient.paths).installed()]
    has_engine = find_spec("xllamacpp") is not None
    if own:
        yield Finding("models", "ok", f"configured: {own}")
    elif not settings.models.embedded.enabled:
        yield Finding(
            "models",
            "warn",
            "the embedded model is off and no provider is configured",
            "Add one under models.providers, or put its key into the environment",
        )
    elif not has_engine:
        yield Finding(
            "models",
            "warn",
            "the engine of the embedded model is not installed",
            "Install the extra: pip install 'carapace-gateway[local]'",
        )
    elif not here:
        yield Finding(
            "models",
            "warn",
            "no provider is configured and no model is here",
            "Fetch one: cara model pull",
        )
    else:
        yield Finding("models", "ok", f"embedded: {', '.join(here)}")


def _clock(_patient: Patient) -> Iterator[Finding]:
    if time.time() < _OLDEST_SANE_S:
        yield Finding(
            "clock",
            "bad",
            f"this machine thinks it is {time.strftime('%F')}",
            "Set the clock: signatures and certificates fail with a wrong one",
        )
    else:
        yield Finding("clock", "ok", time.strftime("%F %T %Z"))


def _gateway(patient: Patient) -> Iterator[Finding]:
    """Reach the gateway; if something else has its port, say who."""
    try:
        target = find_target(patient.remote)
    except (Trouble, GatewayError) as error:
        yield Finding("gateway", "bad", str(error))
        return
    try:
        with GatewayClient(target, timeout_s=patient.remote.timeout_s) as gateway:
            health: dict[str, Any] = gateway.call("health")
            yield _well(gateway.hello, health)
            yield from _skew(int(health.get("ts", 0)))
            yield from _plugins(gateway)
    except Trouble as trouble:
        yield _not_reached(target, trouble)


def _well(hello: dict[str, Any], health: dict[str, Any]) -> Finding:
    server: dict[str, Any] = hello.get("server", {})
    degraded: dict[str, Any] = health.get("degraded") or {}
    if degraded:
        text = "; ".join(f"{name}: {reason}" for name, reason in degraded.items())
        return Finding("gateway", "warn", f"runs, but {text}", "See: cara logs")
    return Finding("gateway", "ok", f"runs, version {server.get('version', '?')}; the token works")


def _skew(ts_ms: int) -> Iterator[Finding]:
    skew_ms = abs(time.time_ns() // 1_000_000 - ts_ms)
    if skew_ms > _MAX_SKEW_MS:
        yield Finding(
            "clock",
            "warn",
            f"the gateway's clock is {skew_ms // 1000} s away",
            "Set both clocks: a device signature is good for ten minutes",
        )


def _plugins(gateway: GatewayClient) -> Iterator[Finding]:
    """What is installed and does not do what it should."""
    try:
        page: dict[str, Any] = gateway.call("plugins.list")
    except Trouble as trouble:
        yield Finding("plugins", "warn", trouble.why or trouble.what, trouble.next_step)
        return
    if page.get("trouble"):
        yield Finding("plugins", "bad", str(page["trouble"]), "See: cara plugin list")
    rows: list[dict[str, Any]] = page.get("plugins", [])
    well = [str(row["id"]) for row in rows if row["state"] in _WELL]
    if well:
        yield Finding("plugins", "ok", f"work: {', '.join(well)}")
    for row in rows:
        name, reason = row["id"], row.get("reason") or row["state"]
        if row["state"] in _LOST:
            yield Finding("plugins", "bad", f"{name}: {reason}", "See: cara plugin list")
        elif row["state"] == "restarting":
            yield Finding("plugins", "warn", f"{name}: {reason}", "See: cara logs")
        if row.get("pending"):
            waits = f"{name} {row['pending']['version']} waits for your word"
            yield Finding("plugins", "warn", waits, f"Look at it: cara plugin consent {name}")


def _not_reached(target: Target, trouble: Trouble) -> Finding:
    owner = port_owner(target.url)
    if owner is not None and owner.is_gateway:
        return Finding("gateway", "bad", trouble.why or trouble.what, trouble.next_step)
    if owner is not None:
        return Finding(
            "gateway",
            "bad",
            f"its port is taken by {owner.text}",
            "Stop that, or choose another: cara config set gateway.port 18800",
        )
    is_elsewhere = not is_this_machine(target.url)
    if is_elsewhere or (trouble.next_step and "token" in trouble.next_step):
        return Finding("gateway", "bad", trouble.why or trouble.what, trouble.next_step)
    return Finding("gateway", "warn", "does not run", "Start it: cara up")


def _hooks(patient: Patient) -> Iterator[Finding]:
    settings = patient.loaded.settings
    if settings is None or not settings.hooks.enabled:
        return
    troubles = settings_troubles(settings.hooks)
    if settings.hooks.token and settings.hooks.token == settings.gateway.auth.token:
        troubles.append("hooks.token is the gateway's own token: give hooks one of their own")
    for trouble in troubles:
        yield Finding("hooks", "warn", trouble, "Change hooks in the configuration")
    if not troubles:
        yield Finding("hooks", "ok", f"served below {settings.hooks.path}")


CHECKS: Final[tuple[Callable[[Patient], Iterator[Finding]], ...]] = (
    _python,
    _clock,
    _config,
    _permissions,
    _disk,
    _database,
    _audit,
    _vault,
    _models,
    _hooks,
    _gateway,
)


def examine(paths: Paths, remote: Remote) -> Patient:
    """Read what all checks need."""
    return Patient(paths, load_config(paths), remote)
