"""The rules of our contract beyond WIT itself, and what a new version of it may change.

Why the rules are as they are: `docs/explain/plugin-contract.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from carapace.plugins.sdk.wit.syntax import Definition, Function, Interface, Package, Type

__all__ = ["broken_promises", "offences"]

NUMBERS_OF_64_BITS: Final = frozenset({"u64", "s64"})
MAX_ENUM_CASES: Final = 32


def offences(package: Package) -> list[str]:
    """What breaks our rules, one sentence each; empty if nothing does."""
    found: list[str] = []
    for interface in package.interfaces.values():
        if not interface.docs and interface.name != "types":
            found.append(f"{interface.name}: has no documentation")
        found += _type_offences(interface)
    found += _reach(package)
    return found


def broken_promises(released: Package, now: Package) -> list[str]:
    """What a plugin built against `released` would miss in `now`, one sentence each.

    Types and functions may not change or go. Interfaces may be added, and so may functions of
    an interface that plugins import. An interface that plugins export stays as it is within a
    major version: a plugin of today could not answer a new function.
    """
    found: list[str] = []
    if released.version.split(".")[0] != now.version.split(".")[0]:
        return found
    exported = {name for world in released.worlds.values() for name in world.exports}
    for name, old in released.interfaces.items():
        new = now.interfaces.get(name)
        if new is None:
            found.append(f"{name}: was taken away")
            continue
        found += _changed(name, old, new)
        if name in exported:
            more = new.functions.keys() - old.functions.keys()
            found += [f"{name}.{each}: plugins of today do not export it" for each in sorted(more)]
    for name, world in released.worlds.items():
        new_world = now.worlds.get(name)
        kept = () if new_world is None else (*new_world.imports, *new_world.exports)
        gone = [each for each in (*world.imports, *world.exports) if each not in kept]
        found += [f"world {name}: no longer has {each}" for each in gone]
    return found


def _type_offences(interface: Interface) -> Iterator[str]:
    for path, mentioned in _mentioned(interface):
        if mentioned.name in NUMBERS_OF_64_BITS:
            yield f"{interface.name}.{path}: {mentioned.name}; write f64 or u32"
        if mentioned.name == "list" and mentioned.arguments == (Type("u8"),):
            yield f"{interface.name}.{path}: list<u8>; write text, base64 or a media handle"
    for definition in interface.definitions.values():
        if definition.kind in {"enum", "flags"} and len(definition.fields) > MAX_ENUM_CASES:
            yield f"{interface.name}.{definition.name}: more than {MAX_ENUM_CASES} cases"


def _mentioned(interface: Interface) -> Iterator[tuple[str, Type]]:
    """Every type that is mentioned, generics and what is in them, with where it is."""
    for definition in interface.definitions.values():
        for field in definition.fields:
            yield from _within(definition.name, field.type)
    for function in interface.functions.values():
        for parameter in function.parameters:
            yield from _within(function.name, parameter.type)
        yield from _within(function.name, function.result)


def _within(path: str, mentioned: Type | None) -> Iterator[tuple[str, Type]]:
    if mentioned is None:
        return
    yield path, mentioned
    for argument in mentioned.arguments:
        yield from _within(path, argument)


def _reach(package: Package) -> Iterator[str]:
    """Worlds name interfaces that exist; `everything` names all that have functions."""
    for world in package.worlds.values():
        for name in (*world.imports, *world.exports):
            if name not in package.interfaces:
                yield f"world {world.name}: there is no interface {name}"
    everything = package.worlds.get("everything")
    if everything is None:
        yield "there is no world everything"
        return
    named = {*everything.imports, *everything.exports}
    for interface in package.interfaces.values():
        if interface.functions and interface.name not in named:
            yield f"world everything: leaves out {interface.name}"


def _changed(name: str, old: Interface, new: Interface) -> Iterator[str]:
    for function in old.functions.values():
        now = new.functions.get(function.name)
        if now is None:
            yield f"{name}.{function.name}: was taken away"
        elif _signature(now) != _signature(function):
            before, after = _signature(function), _signature(now)
            yield f"{name}.{function.name}: changed from {before} to {after}"
    for definition in old.definitions.values():
        current = new.definitions.get(definition.name)
        if current is None:
            yield f"{name}.{definition.name}: was taken away"
        elif _shape(current) != _shape(definition):
            yield f"{name}.{definition.name}: changed; a new shape needs a new name"


def _signature(function: Function) -> str:
    parameters = ", ".join(f"{each.name}: {each.type}" for each in function.parameters)
    return f"({parameters})" + (f" -> {function.result}" if function.result else "")


def _shape(definition: Definition) -> tuple[str, tuple[tuple[str, str], ...]]:
    return definition.kind, tuple((each.name, str(each.type)) for each in definition.fields)
