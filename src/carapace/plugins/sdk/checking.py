"""`cara plugin test`: the built component in a real worker, before a fake gateway.

Whatever the plugin is written in, it must be what its manifest says, its roles must answer
sensibly, and its own cases must hold.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, cast

from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.ports import PluginHost
from carapace.plugins.sdk.cases import CASES, Case, Cases, difference
from carapace.plugins.sdk.contract import contract
from carapace.plugins.sdk.fake_capabilities import FakeCapabilities
from carapace.plugins.sdk.local_host import loaded
from carapace.plugins.sdk.project import Project
from carapace.plugins.sdk.wit.layout import Shape, shape_of
from carapace.value import Value

__all__ = ["Result", "check", "completed"]

_Ask = Callable[..., Awaitable[Any]]


class Result(Value, frozen=True):
    """One check; `trouble` says what is wrong, or is None."""

    name: str
    trouble: str | None


async def check(project: Project, host: PluginHost, cases: Cases) -> AsyncIterator[Result]:
    """Start the component and check it, one result after the other.

    Args:
        project: A built one.
        host: Runs it; the plugin is stopped at the end.
        cases: The plugin's own.

    Raises:
        PluginUnavailable: If it does not load, with the reason.
    """
    manifest = project.manifest
    fake = FakeCapabilities(cases.host, kv_max_bytes=manifest.permissions.kv_max_bytes)
    await host.start(loaded(project, fake.calls(project.imports)))

    async def ask(interface: str, function: str, *arguments: Any) -> Any:
        return await host.call(manifest.id, interface, function, *arguments)

    try:
        yield await _checked("manifest", _manifest, project, ask)
        for role in manifest.roles:
            if role in _ROLES:
                yield await _checked(role, _ROLES[role], project, ask)
        for case in cases.case:
            if case.instance == "fresh":
                fake.renew()
            yield Result(case.name, await _trouble_of(case, manifest.id, host))
    finally:
        await host.stop(manifest.id)


def completed(value: Any, shape: Shape | None) -> Any:
    """`value` with an explicit null wherever the shape has an option and TOML had no word."""
    if shape is None or value is None:
        return value
    if shape.kind == "record" and isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        fields = {name.replace("-", "_"): part for name, part in shape.parts}
        given = {name: completed(each, fields.get(name)) for name, each in members.items()}
        missing = {name for name, part in fields.items() if part and part.kind == "option"}
        return {**dict.fromkeys(sorted(missing - given.keys())), **given}
    if shape.kind == "variant" and isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        payload = dict(shape.parts).get(str(members.get("tag")))
        return {**members, "value": completed(members.get("value"), payload)}
    if shape.kind == "list" and isinstance(value, list):
        return [completed(each, shape.part(0)) for each in cast("list[Any]", value)]
    if shape.kind == "option":
        return completed(value, shape.part(0))
    return value


async def _checked(
    name: str, work: Callable[[Project, _Ask], Awaitable[str | None]], project: Project, ask: _Ask
) -> Result:
    try:
        return Result(name, await work(project, ask))
    except (GuestError, GuestTrap) as error:
        return Result(name, _told(error))


async def _trouble_of(case: Case, plugin_id: str, host: PluginHost) -> str | None:
    interface, function = case.target
    arguments = _arguments(case)
    if isinstance(arguments, str):
        return arguments
    try:
        value = await host.call(plugin_id, interface, function, *arguments, instance=case.instance)
    except GuestError as error:
        return None if case.fails == error.code else _told(error)
    except GuestTrap as error:
        return _told(error)
    return difference(case, value)


def _arguments(case: Case) -> list[Any] | str:
    """Complete arguments, or why the case cannot be run."""
    interface, function = case.target
    known = contract().interfaces.get(interface)
    found = None if known is None else known.functions.get(function)
    if found is None:
        return f"{CASES}: the contract has no {case.call}"
    if len(case.arguments) != len(found.parameters):
        wanted = ", ".join(f"{each.name}: {each.type}" for each in found.parameters)
        return f"{CASES}: {case.call} takes ({wanted})"
    return [
        completed(value, shape_of(contract(), interface, each.type) if each.type else None)
        for value, each in zip(case.arguments, found.parameters, strict=True)
    ]


def _told(error: GuestError | GuestTrap) -> str:
    if isinstance(error, GuestTrap):
        return f"was stopped ({error.kind}): {error.text}"
    return f"failed with {error.code}: {error.message}"


async def _manifest(project: Project, ask: _Ask) -> str | None:
    says = await ask("manifest", "describe")
    wanted = {"id": project.manifest.id, "version": project.manifest.version}
    return None if says == wanted else f"says it is {says}, plugin.toml says {wanted}"


async def _tool(_project: Project, ask: _Ask) -> str | None:
    definitions: list[dict[str, Any]] = await ask("tool", "definitions")
    names = [each["name"] for each in definitions]
    if not names:
        return "defines no tool"
    if len(set(names)) != len(names):
        return "defines a tool twice"
    for each in definitions:
        if not each["description"]:
            return f"{each['name']} has no description; the assistant would not know its use"
        if not _is_object_schema(each["schema"]):
            return f"{each['name']}: its schema is not the JSON Schema of an object"
    return None


def _is_object_schema(text: str) -> bool:
    try:
        schema: Any = json.loads(text)
    except ValueError:
        return False
    return isinstance(schema, dict) and cast("dict[str, Any]", schema).get("type") == "object"


async def _channel(project: Project, ask: _Ask) -> str | None:
    about: dict[str, Any] = await ask("channel", "describe")
    if about["id"] != project.manifest.id:
        return f"the channel is {about['id']}, the plugin {project.manifest.id}; use one name"
    return None if about["max_text"] > 0 else "max-text must be more than 0"


async def _hooks(project: Project, ask: _Ask) -> str | None:
    wanted = set(await ask("hooks", "points"))
    more = sorted(wanted - set(project.manifest.permissions.hooks))
    return f"wants {', '.join(more)}, which permissions.hooks does not name" if more else None


async def _setup(_project: Project, ask: _Ask) -> str | None:
    questions: list[dict[str, Any]] = await ask("setup", "questions", "default")
    keys = [each["key"] for each in questions]
    return "asks for a key twice" if len(set(keys)) != len(keys) else None


_ROLES: Final[dict[str, Callable[[Project, _Ask], Awaitable[str | None]]]] = {
    "tool": _tool,
    "channel": _channel,
    "hooks": _hooks,
    "setup": _setup,
}
