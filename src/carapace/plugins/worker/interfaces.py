"""What a component imports and exports, and whether it may.

This is looked at before the first instruction of the component runs. An interface of ours that
is not granted is refused by its name; so is all of WASI but the harmless part that language
runtimes insist on, which `carapace.plugins.worker.wasi` answers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from wasmtime import Engine
from wasmtime import component as wc

from carapace.plugins.contract_versions import SPOKEN
from carapace.plugins.errors import GuestError
from carapace.plugins.worker.values import Signature

__all__ = ["PACKAGE", "Export", "Import", "exports_of", "imports_of", "kept_types"]

PACKAGE: Final = "carapace:plugin"

_TYPES_FROM: Final = {
    "poll": ("http",),
    "websocket": ("http",),
    "service": ("http", "websocket"),
}
"""Whose types an interface uses; toolchains then import all of the other one."""
_RUNTIME: Final = frozenset({"cli", "clocks", "filesystem", "io", "random", "sockets"})
"""Parts of WASI 0.2 that are answered, most of them with no."""


class Import(NamedTuple):
    """One interface that the component wants.

    Attributes:
        name: In full: `carapace:plugin/kv@1.0.0`.
        interface: Without package and version: `kv`; for WASI with its part: `io/streams`.
        is_wasi: Whether it is one of the language runtime's.
        is_granted: Whether its functions may be called; if not, only its types are needed.
        functions: Those of it that the component imports.
        resources: Names of the kinds of handles it speaks of.
    """

    name: str
    interface: str
    is_wasi: bool
    is_granted: bool
    functions: dict[str, wc.FuncType]
    resources: tuple[str, ...]


class Export(NamedTuple):
    """One interface that the component offers: its full name, and its functions."""

    name: str
    functions: dict[str, Signature]


def kept_types(grants: Iterable[str], exports: Iterable[str]) -> frozenset[str]:
    """Interfaces that are not granted, but whose types the granted and exported ones use. Pure."""
    used = {other for name in (*grants, *exports) for other in _TYPES_FROM.get(name, ())}
    return frozenset({"types", *used, *(o for name in used for o in _TYPES_FROM.get(name, ()))})


def imports_of(
    engine: Engine, component: wc.Component, grants: Collection[str], exports: Collection[str]
) -> list[Import]:
    """All that the component imports.

    Raises:
        GuestError: `IMPORT_REFUSED`, with the name, if any of it is not granted.
    """
    kept = kept_types(grants, exports)
    found: list[Import] = []
    for name, extern in component.type.imports(engine).items():
        kind = extern.ty
        if not isinstance(kind, wc.ComponentInstanceType):
            raise _refused(name, "only interfaces can be imported")
        functions, resources = _contents(engine, kind)
        package, interface, version = _parted(name)
        if package == PACKAGE:
            found.append(
                _ours(name, interface, version, functions, resources, grants=grants, kept=kept)
            )
        elif package.startswith("wasi:") and package[5:] in _RUNTIME and version[:2] == (0, 2):
            part = f"{package[5:]}/{interface}"
            found.append(Import(name, part, True, True, functions, resources))
        else:
            raise _refused(name, "the gateway does not have it")
    return found


def _ours(
    name: str,
    interface: str,
    version: tuple[int, ...],
    functions: dict[str, wc.FuncType],
    resources: tuple[str, ...],
    *,
    grants: Collection[str],
    kept: Collection[str],
) -> Import:
    objection = SPOKEN.objection(version)
    if objection is not None:
        raise _refused(name, objection)
    if resources:
        raise _refused(name, "the contract has no resources")
    is_granted = interface in grants
    if functions and not is_granted and interface not in kept:
        raise _refused(name, "it is not among the plugin's permissions")
    return Import(name, interface, False, is_granted, functions, resources)


def _contents(
    engine: Engine, kind: wc.ComponentInstanceType
) -> tuple[dict[str, wc.FuncType], tuple[str, ...]]:
    functions: dict[str, wc.FuncType] = {}
    resources: list[str] = []
    for name, extern in kind.exports(engine).items():
        item = extern.ty
        if isinstance(item, wc.FuncType):
            functions[name] = item
        elif isinstance(item, wc.ResourceType):
            resources.append(name)
    return functions, tuple(resources)


def _parted(name: str) -> tuple[str, str, tuple[int, ...]]:
    """`a:b/c@1.2.3` as `a:b`, `c` and the numbers; what is missing is empty. Pure."""
    path, _, version = name.partition("@")
    package, _, interface = path.partition("/")
    plain = version.split("-")[0].split("+")[0]
    numbers = tuple(int(one) for one in plain.split(".") if one.isascii() and one.isdigit())
    return package, interface, numbers


def _refused(name: str, why: str) -> GuestError:
    return GuestError("IMPORT_REFUSED", f"The plugin wants {name}: {why}.")


def exports_of(
    engine: Engine, component: wc.Component, wanted: Collection[str]
) -> dict[str, Export]:
    """The interfaces of the contract that the component offers, by their short names.

    What else it exports is left alone: nothing calls it.

    Raises:
        GuestError: `EXPORT_MISSING` if one of `wanted` is not among them.
        InvalidComponent: If one has a function whose types cannot cross.
    """
    found: dict[str, Export] = {}
    objections: dict[str, str] = {}
    for name, extern in component.type.exports(engine).items():
        kind = extern.ty
        package, interface, version = _parted(name)
        if not isinstance(kind, wc.ComponentInstanceType) or package != PACKAGE:
            continue
        objection = SPOKEN.objection(version)
        if objection is not None:
            objections[interface] = f"it has {name}, but {objection}"
            continue
        functions, _ = _contents(engine, kind)
        found[interface] = Export(name, {one: Signature(of) for one, of in functions.items()})
    for interface in wanted:
        if interface not in found:
            why = objections.get(interface, f"it has no {PACKAGE}/{interface}@{SPOKEN.newest_text}")
            raise GuestError(
                "EXPORT_MISSING",
                f"The plugin says it is a {interface}, but does not export one: {why}.",
            )
    return found
