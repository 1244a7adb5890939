"""Hooks: look at, or change, what passes through the gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["hook", "on_hook", "points"]

_Handler = TypeVar("_Handler", bound=Callable[[dict[str, Any]], Any])
_handlers: dict[str, Callable[[dict[str, Any]], Any]] = {}


def hook(point: str) -> Callable[[_Handler], _Handler]:
    """Let a function see the events of a hook point that plugin.toml names.

    It gets the event as a dictionary and returns it changed, or None to leave it.

    Raises:
        ValueError: If another function has the point.
    """
    if point in _handlers:
        raise ValueError(f"{point} has a handler already")

    def register(handler: _Handler) -> _Handler:
        _handlers[point] = handler
        return handler

    return register


def points() -> list[str]:
    """The contract's `hooks.points`."""
    return list(_handlers)


def on_hook(point: str, event: str) -> str | None:
    """The contract's `hooks.on-hook`; an event of a point nobody asked for stays as it is."""
    handler = _handlers.get(point)
    changed = None if handler is None else handler(json.loads(event))
    return None if changed is None else json.dumps(changed, ensure_ascii=False)
