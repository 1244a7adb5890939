"""The role `hooks`: a plugin at the hook points that its manifest names and an admin granted.

A plugin is never a guard: without it the gateway goes on. What it gives back is judged by the
bus as any handler's answer is: fixed fields stay as they were, texts keep their bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import msgspec

from carapace.errors import Failed, Refused
from carapace.hooks.bus import HookBus
from carapace.hooks.points import POINTS, HookPoint, Payload
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.guest import Guest, said

__all__ = ["attach_hooks"]

_TIMEOUT_S: Final = 4.0
"""Less than the bus gives a handler, so that it is the guest that is stopped and not the wait."""


async def attach_hooks(guest: Guest, bus: HookBus, *, granted: Iterable[str]) -> Callable[[], None]:
    """Let a plugin listen where it wants to; the returned function ends that.

    Args:
        guest: The plugin; it was started.
        bus: The hook points.
        granted: Names of those that its manifest asked for.

    Raises:
        Refused: If it wants a point that there is not, or that was not granted.
        Failed: If it could not be asked.
    """
    points = [_point(guest, name, frozenset(granted)) for name in await _wanted(guest)]
    ends = [
        bus.register(point, partial(_call, guest, point), owner=f"plugin {guest.id}")
        for point in points
    ]

    def detach() -> None:
        while ends:
            ends.pop()()

    return detach


async def _wanted(guest: Guest) -> list[str]:
    try:
        names = msgspec.convert(await guest.call("hooks", "points"), list[str])
    except (GuestError, GuestTrap, PluginUnavailable) as error:
        raise Failed(
            f"The plugin {guest.id} does not say which hooks it wants: {said(str(error))}"
        ) from error
    except msgspec.ValidationError as error:
        raise Refused(f"The plugin {guest.id} names no hooks: {error}.") from None
    return list(dict.fromkeys(names))


def _point(guest: Guest, name: str, granted: frozenset[str]) -> HookPoint[Any]:
    point = POINTS.get(name)
    if point is None:
        raise Refused(
            f"The plugin {guest.id} wants the hook {said(name)!r}, which this gateway does not "
            "have. Update the gateway, or take another version of the plugin."
        )
    if name not in granted:
        raise Refused(
            f"The plugin {guest.id} wants the hook {name}, which its manifest does not ask for. "
            "Its author has to add it to permissions.hooks."
        )
    return point


async def _call(guest: Guest, point: HookPoint[Any], payload: Payload) -> Payload | None:
    """One event: to the guest as JSON, and back as a payload of the same kind.

    Raises:
        ValidationError: If the answer is no such payload; the bus counts that against it.
    """
    event = msgspec.json.encode(payload).decode()
    answer = await guest.call("hooks", "on-hook", point.name, event, timeout_s=_TIMEOUT_S)
    if answer is None or not point.is_modifiable:
        return None
    changed = msgspec.json.decode(answer, type=dict[str, Any])
    # What it leaves out it leaves as it was.
    whole = {**msgspec.json.decode(event, type=dict[str, Any]), **changed}
    return msgspec.convert(whole, point.payload)
