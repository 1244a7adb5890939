"""Ties a plugin to the bindings of its component; only the generated entry module imports it.

componentize-py looks for one class per exported interface (`Tool`, `Webhook`) in the entry
module. `exports_of` makes them: each method turns the bindings' values into plain ones, calls the
library, and turns the answer back.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import typing
from collections.abc import Callable
from typing import Any

from carapace_plugin import channels, hook_points, services, setup_questions, tools, webhooks
from carapace_plugin.errors import PluginError
from carapace_plugin.values import lift, lower

__all__ = ["exports_of", "settle"]

_SEED_BYTES = 32


def exports_of(plugin_id: str, version: str, roles: tuple[str, ...]) -> dict[str, type]:
    """Classes for the entry module, by the names that componentize-py looks for.

    Args:
        plugin_id: As in plugin.toml.
        version: As in plugin.toml.
        roles: As in plugin.toml.
    """
    info = {"id": plugin_id, "version": version}
    calls: dict[str, Callable[..., Any]] = {"manifest.describe": lambda: info, **_CALLS}
    protocols: Any = importlib.import_module("wit_world.exports")
    err: Any = importlib.import_module("componentize_py_types").Err
    error_type = _error_type()
    made: dict[str, type] = {}
    for interface in ("manifest", *roles):
        name = interface.capitalize()
        protocol: Any = getattr(protocols, name)
        declared: dict[str, Any] = {**protocol.__dict__}
        members = {
            function: _method(calls[f"{interface}.{function}"], member, err, error_type)
            for function, member in declared.items()
            if not function.startswith("_")
        }
        made[name] = type(name, (), members)
    return made


def settle() -> None:
    """Leave the memory as each call wants to find it; the last thing before it is kept.

    A component is a snapshot, and each call begins with it: what was used once is ready, what the
    collector need not look at again is not copied. The runtime seeds `random` anew in each
    instance; by itself that asks for 2,500 random bytes, a few at a time.
    """
    seed = random.seed

    def cheap(a: Any = None, version: int = 2) -> None:
        seed(int.from_bytes(os.urandom(_SEED_BYTES), "big") if a is None else a, version)

    random.seed = cheap
    sample = json.loads('{"a": [1, 2.5, "\\u00e9", null, true]}')
    tools.encoded(sample)
    gc.collect()
    gc.freeze()


def _error_type() -> Any:
    for side in ("imports", "exports"):
        try:
            return importlib.import_module(f"wit_world.{side}.types").Error
        except ModuleNotFoundError:
            continue
    return None


def _method(
    call: Callable[..., Any], declared: Callable[..., Any], err: Any, error_type: Any
) -> Callable[..., Any]:
    """A method that speaks the bindings' values."""
    gives = typing.get_type_hints(declared).get("return")

    def method(_self: Any, *arguments: Any) -> Any:
        try:
            answer = call(*[lift(each) for each in arguments])
        except PluginError as error:
            raise err(lower(error.to_wire(), error_type)) from None
        return lower(answer, gives)

    return method


def _channel(function: str) -> Callable[..., Any]:
    return lambda *arguments: channels.call(function, *arguments)


def _service(function: str) -> Callable[..., Any]:
    """Looked up when it is called: the plugin registers its service while it is imported."""

    def call(*arguments: Any) -> Any:
        return getattr(services.registered(), function)(*arguments)

    return call


_CHANNEL = (
    "describe",
    "start",
    "stop",
    "send_text",
    "send_media",
    "send_poll",
    "edit",
    "delete",
    "react",
    "look_up",
    "typing",
    "resolve",
    "directory",
    "probe",
    "login",
)

_CALLS: dict[str, Callable[..., Any]] = {
    "tool.definitions": tools.definitions,
    "tool.invoke": tools.invoke,
    "webhook.handle": webhooks.handle,
    "hooks.points": hook_points.points,
    "hooks.on_hook": hook_points.on_hook,
    "setup.questions": setup_questions.questions,
    "setup.settings": setup_questions.settings,
    "service.start": _service("start"),
    "service.stop": _service("stop"),
    "service.tick": _service("tick"),
    "service.health": _service("health"),
    "service.on_timer": _service("on_timer"),
    "service.on_poll": services.on_poll,
    "service.on_websocket": services.on_websocket,
    **{f"channel.{function}": _channel(function) for function in _CHANNEL},
}
