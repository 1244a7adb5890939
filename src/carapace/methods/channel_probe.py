"""Ask chat services whether they take our credentials, for `channels.status` with `probe`."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from carapace.channels.accounts.status import AccountStatus
from carapace.errors import Refused
from carapace.methods.context import Services
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.guest import said

__all__ = ["probe_accounts"]

_DEFAULT_TIMEOUT_MS: Final = 10_000
_MIN_TIMEOUT_MS: Final = 1_000
_MAX_TIMEOUT_MS: Final = 30_000
_MAX_MEMBERS: Final = 16


async def probe_accounts(services: Services, timeout_ms: int | None) -> None:
    """Probe every account of a plugin's channel, and keep with it what came of that.

    Args:
        services: Whose accounts.
        timeout_ms: How long one may take; 1 to 30 seconds, 10 if it is None.
    """
    wanted_ms = _DEFAULT_TIMEOUT_MS if timeout_ms is None else timeout_ms
    timeout_s = min(max(wanted_ms, _MIN_TIMEOUT_MS), _MAX_TIMEOUT_MS) / 1000
    async with asyncio.TaskGroup() as group:
        for status in services.accounts.listed():
            if status.is_enabled and _is_plugin(services, status.channel):
                group.create_task(_probe(services, status, timeout_s))


async def _probe(services: Services, status: AccountStatus, timeout_s: float) -> None:
    clock = services.clock
    began = clock.monotonic()
    told = await _asked(services, status, timeout_s)
    elapsed_ms = round((clock.monotonic() - began) * 1000)
    status.probe = {**told, "elapsedMs": elapsed_ms}
    status.last_probe_at_ms = clock.now_ms()


async def _asked(services: Services, status: AccountStatus, timeout_s: float) -> dict[str, Any]:
    """`ok` and what the service told of the account, or why it did not."""
    try:
        guest = services.plugins.guest(status.channel, "channel")
        answer = await guest.call("channel", "probe", status.account, timeout_s=timeout_s)
        account = msgspec.json.decode(answer, type=dict[str, Any])
    except GuestError as error:
        return {"ok": False, "error": said(error.message) or said(error.code)}
    except (GuestTrap, PluginUnavailable, Refused) as error:
        return {"ok": False, "error": said(str(error))}
    except (msgspec.DecodeError, TypeError):
        return {"ok": False, "error": "the plugin's answer makes no sense"}
    return {**_shown(account), "ok": True, "error": None}


def _shown(account: dict[str, Any]) -> dict[str, Any]:
    """Short plain values: the answer is seen by everybody who may read."""
    plain = {
        said(name): said(value) if isinstance(value, str) else value
        for name, value in account.items()
        if value is None or isinstance(value, bool | int | str)
    }
    return dict(list(plain.items())[:_MAX_MEMBERS])


def _is_plugin(services: Services, channel: str) -> bool:
    try:
        services.plugins.manifest(channel, "channel")
    except Refused:
        return False
    return True
