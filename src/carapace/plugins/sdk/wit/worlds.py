"""The world of one plugin: the part of the contract that its manifest names."""

from __future__ import annotations

from typing import Final

from carapace.plugins.sdk.wit.syntax import Package

__all__ = ["WORLD", "with_types", "world_text"]

WORLD: Final = "plugin"
"""Name of the generated world."""


def world_text(package: Package, imports: tuple[str, ...], exports: tuple[str, ...]) -> str:
    """A WIT file with a world of these interfaces; the contract lies in its `deps` folder."""
    lines = ["package local:plugin;", "", f"world {WORLD} {{"]
    lines += [f"  import {package.interface_id(name)};" for name in imports]
    lines += [f"  export {package.interface_id(name)};" for name in exports]
    return "\n".join([*lines, "}", ""])


def with_types(
    package: Package, imports: tuple[str, ...], exports: tuple[str, ...]
) -> tuple[str, ...]:
    """The imports, and before each the interfaces whose types it or an export uses.

    The order is one in which every type is known before it is used. An interface that comes in
    only for its types gives a plugin nothing to call.
    """
    ordered: list[str] = []

    def visit(name: str) -> None:
        for owner, _ in package.interfaces[name].uses.values():
            visit(owner)
            if owner not in ordered:
                ordered.append(owner)

    for name in (*imports, *exports):
        visit(name)
        if name in imports and name not in ordered:
            ordered.append(name)
    return tuple(ordered)
