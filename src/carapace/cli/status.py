"""`cara status`."""

from __future__ import annotations

import time
from typing import Any, Final

from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import age, as_json, show, table

__all__ = ["status"]

_MODELS_SHOWN: Final = 5


def status(*, remote: Remote = DEFAULT_REMOTE) -> int:
    """What the running gateway is doing.

    Exits with 1 if no gateway answers, or if the one that does is not well.
    """
    from carapace.cli.client import GatewayClient  # noqa: PLC0415 - help needs none of it
    from carapace.cli.target import find_target  # noqa: PLC0415

    target = find_target(remote)
    with GatewayClient(target, timeout_s=remote.timeout_s) as gateway:
        health: dict[str, Any] = gateway.call("health")
        report: dict[str, Any] = gateway.call("status")
        models: dict[str, Any] = gateway.call("models.list")
        hello = gateway.hello
    if remote.json:
        as_json(
            {
                "url": target.url,
                "server": hello.get("server"),
                "health": health,
                "status": report,
                "models": models.get("models", []),
            }
        )
    else:
        _show(target.url, hello, health, models)
    return 0 if _is_well(health) else 1


def _is_well(health: dict[str, Any]) -> bool:
    return bool(health.get("ok")) and not health.get("configIssue") and not health.get("degraded")


def _show(url: str, hello: dict[str, Any], health: dict[str, Any], models: dict[str, Any]) -> None:
    now_ms = time.time_ns() // 1_000_000
    server: dict[str, Any] = hello.get("server", {})
    snapshot: dict[str, Any] = hello.get("snapshot", {})
    uptime_ms = int(snapshot.get("uptimeMs", 0))
    sessions: dict[str, Any] = health.get("sessions", {})
    show(
        f"gateway   {'well' if _is_well(health) else 'NOT WELL'}, version "
        f"{server.get('version', '?')}, up {age(now_ms - uptime_ms, now_ms)}, {url}"
    )
    show(f"agents    {', '.join(str(agent['agentId']) for agent in health.get('agents', []))}")
    names = [f"{row.get('provider')}/{row.get('id')}" for row in models.get("models", [])]
    more = f" and {len(names) - _MODELS_SHOWN} more" if len(names) > _MODELS_SHOWN else ""
    show(f"models    {', '.join(names[:_MODELS_SHOWN]) or 'none: cara model pull'}{more}")
    show(f"channels  {', '.join(health.get('channelOrder', [])) or 'none'}")
    show(f"sessions  {sessions.get('count', 0)}")
    if issue := health.get("configIssue"):
        show(f"config    {issue}")
    degraded: dict[str, Any] = health.get("degraded") or {}
    for name, reason in degraded.items():
        show(f"{name:<9} {reason}")
    recent: list[dict[str, Any]] = sessions.get("recent", [])
    if recent:
        print()
        table(
            ("session", "last active"),
            [
                (row.get("key"), f"{age(int(row.get('updatedAt') or 0), now_ms)} ago")
                for row in recent
            ],
        )
