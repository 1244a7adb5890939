"""How values of WIT types lie in memory and on the stack of a core module.

Source: the Canonical ABI (component-model/design/mvp/CanonicalABI.md), sections "Flattening" and
"Alignment". On wasm32 a C struct of the fields has the very layout that the ABI asks for, so
sizes are left to the C compiler; only flattening is computed here.
"""

from __future__ import annotations

from typing import Final

from carapace.plugins.sdk.wit.syntax import (
    GENERICS,
    PRIMITIVES,
    Definition,
    Function,
    Package,
    Type,
    WitError,
)
from carapace.value import Value

__all__ = ["MAX_FLAT_PARAMETERS", "Shape", "core_signature", "flat", "shape_of"]

MAX_FLAT_PARAMETERS: Final = 16
"""More than so many go through memory, as one pointer."""
MAX_FLAT_RESULTS: Final = 1

_FLAT: Final = {"f32": ("f32",), "f64": ("f64",), "string": ("i32", "i32")}


class Shape(Value, frozen=True):
    """A type with all names resolved.

    Attributes:
        kind: A primitive, a generic, `record`, `variant`, `enum` or `flags`.
        owner: Interface of a defined type, else empty.
        name: Of a defined type, else its kind.
        parts: Name and shape of each field, case or argument; no shape where a case is bare.
    """

    kind: str
    owner: str
    name: str
    parts: tuple[tuple[str, Shape | None], ...] = ()

    def part(self, index: int) -> Shape:
        """The shape at `index`, which must have one."""
        found = self.parts[index][1]
        if found is None:
            raise WitError(f"{self.name} has nothing at {index}")
        return found


def shape_of(package: Package, interface: str, mentioned: Type) -> Shape:
    """Resolve a type as `interface` mentions it.

    Raises:
        WitError: If it names a type that does not exist.
    """
    if mentioned.name in PRIMITIVES:
        return Shape(mentioned.name, "", mentioned.name)
    if mentioned.name in GENERICS:
        names = ("ok", "error") if mentioned.name == "result" else ("value",)
        if mentioned.name == "tuple":
            names = tuple(f"f{index}" for index in range(len(mentioned.arguments)))
        parts = tuple(
            (name, None if each is None else shape_of(package, interface, each))
            for name, each in zip(names, mentioned.arguments, strict=True)
        )
        return Shape(mentioned.name, "", mentioned.name, parts)
    owner, definition = package.resolve(interface, mentioned.name)
    return _defined(package, owner, definition)


def flat(shape: Shape) -> tuple[str, ...]:
    """The core types that a value takes on the stack."""
    if shape.kind in {"record", "tuple"}:
        return tuple(core for _, part in shape.parts if part is not None for core in flat(part))
    if shape.kind in {"option", "variant", "result"}:
        return ("i32", *_joined(shape))
    if shape.kind == "list":
        return ("i32", "i32")
    if shape.kind in {"u64", "s64"}:
        return ("i64",)
    return _FLAT.get(shape.kind, ("i32",))


def core_signature(
    package: Package, interface: str, function: Function, *, imported: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Parameters and results of the core function behind `function`.

    Args:
        package: Where its types are.
        interface: That holds it.
        function: Which.
        imported: Whether the guest calls it; then a large result is written where its last
            parameter points, else the guest returns a pointer.
    """
    parameters = tuple(
        core
        for each in function.parameters
        if each.type is not None
        for core in flat(shape_of(package, interface, each.type))
    )
    if len(parameters) > MAX_FLAT_PARAMETERS:
        parameters = ("i32",)
    results = () if function.result is None else flat(shape_of(package, interface, function.result))
    if len(results) <= MAX_FLAT_RESULTS:
        return parameters, results
    return ((*parameters, "i32"), ()) if imported else (parameters, ("i32",))


def _defined(package: Package, owner: str, definition: Definition) -> Shape:
    if definition.kind == "type":
        aliased = definition.fields[0].type
        if aliased is None:
            raise WitError(f"type {definition.name} stands for nothing")
        return shape_of(package, owner, aliased)
    parts = tuple(
        (each.name, None if each.type is None else shape_of(package, owner, each.type))
        for each in definition.fields
    )
    return Shape(definition.kind, owner, definition.name, parts)


def _joined(shape: Shape) -> tuple[str, ...]:
    """Core types that have room for any case; unlike ones share the wider."""
    slots: list[str] = []
    for _, part in shape.parts:
        for index, core in enumerate(() if part is None else flat(part)):
            if index == len(slots):
                slots.append(core)
            elif slots[index] != core:
                slots[index] = "i32" if {slots[index], core} == {"i32", "f32"} else "i64"
    return tuple(slots)
