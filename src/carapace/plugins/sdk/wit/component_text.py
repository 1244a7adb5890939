"""The component around a C core module, as WebAssembly text.

A guest in C is compiled to a core module that knows nothing of strings or records. The text made
here says which interfaces the component imports and exports and lifts and lowers their functions
by the Canonical ABI. Imports need the module's memory before the module exists, so the module is
instantiated with stubs that jump through a table, and the table is filled afterwards: the way
that every component tool goes.
"""

from __future__ import annotations

from collections.abc import Iterator

from carapace.plugins.sdk.wit.layout import core_signature
from carapace.plugins.sdk.wit.syntax import (
    GENERICS,
    PRIMITIVES,
    Definition,
    Function,
    Interface,
    Package,
    Type,
)
from carapace.plugins.sdk.wit.worlds import with_types

__all__ = ["component_text"]


def component_text(package: Package, imports: tuple[str, ...], exports: tuple[str, ...]) -> str:
    """The component's text; its first core module is empty, for the caller to fill.

    Args:
        package: The contract.
        imports: Interfaces whose functions the module may call.
        exports: Interfaces that the module implements.
    """
    lines = ["(component", "  (core module $code)"]
    for name in with_types(package, imports, exports):
        lines += _import(package, package.interfaces[name], whole=name in imports)
    calls = [
        (name, function)
        for name in imports
        for function in package.interfaces[name].functions.values()
    ]
    lines += _stubs(package, calls)
    lines += _instances(package, imports, calls)
    for name in exports:
        lines += _export(package, package.interfaces[name])
    return "\n".join([*lines, ")"])


def _import(package: Package, interface: Interface, *, whole: bool) -> Iterator[str]:
    """One imported interface; only its types unless it is imported as a `whole`."""
    identifier = package.interface_id(interface.name)
    yield f'  (import "{identifier}" (instance ${interface.name}'
    for local in interface.uses:
        owner, definition = package.resolve(interface.name, local)
        yield f"    (alias outer 1 {_global(owner, definition.name)} (type $used-{local}))"
        yield f'    (export "{local}" (type $t-{local} (eq $used-{local})))'
    for definition in interface.definitions.values():
        yield f"    (type $is-{definition.name} {_body(definition, '$t-')})"
        name = definition.name
        yield f'    (export "{name}" (type $t-{name} (eq $is-{name})))'
    for function in interface.functions.values() if whole else ():
        yield f'    (export "{function.name}" (func {_function(function, "$t-")}))'
    yield "  ))"
    for name in interface.definitions:
        yield f'  (alias export ${interface.name} "{name}" (type {_global(interface.name, name)}))'


def _stubs(package: Package, calls: list[tuple[str, Function]]) -> Iterator[str]:
    yield "  (core module $stubs"
    yield f'    (table (export "table") {len(calls)} {len(calls)} funcref)'
    for index, (interface, function) in enumerate(calls):
        parameters, results = core_signature(package, interface, function, imported=True)
        shown = _core(parameters, results)
        given = " ".join(f"(local.get {at})" for at in range(len(parameters)))
        yield f"    (type $t{index} (func {shown}))"
        jump = f"(call_indirect (type $t{index}) {given} (i32.const {index}))"
        yield f'    (func (export "{index}") {shown} {jump})'
    yield "  )"
    yield "  (core module $fill"
    for index, (interface, function) in enumerate(calls):
        shown = _core(*core_signature(package, interface, function, imported=True))
        yield f'    (import "" "{index}" (func {shown}))'
    yield f'    (import "" "table" (table {len(calls)} {len(calls)} funcref))'
    if calls:
        yield f"    (elem (i32.const 0) func {' '.join(map(str, range(len(calls))))})"
    yield "  )"


def _instances(
    package: Package, imports: tuple[str, ...], calls: list[tuple[str, Function]]
) -> Iterator[str]:
    yield "  (core instance $stub (instantiate $stubs))"
    yield "  (core instance $main (instantiate $code"
    for name in imports:
        yield f'    (with "{package.interface_id(name)}" (instance'
        for index, (interface, function) in enumerate(calls):
            if interface == name:
                yield f'      (export "{function.name}" (func $stub "{index}"))'
        yield "    ))"
    yield "  ))"
    yield '  (alias core export $main "memory" (core memory $memory))'
    yield '  (alias core export $main "cabi_realloc" (core func $realloc))'
    options = "(memory $memory) (realloc $realloc) string-encoding=utf8"
    for index, (interface, function) in enumerate(calls):
        target = f'(func ${interface} "{function.name}")'
        yield f"  (core func $lowered{index} (canon lower {target} {options}))"
    yield '  (core instance (instantiate $fill (with "" (instance'
    yield '    (export "table" (table $stub "table"))'
    for index in range(len(calls)):
        yield f'    (export "{index}" (func $lowered{index}))'
    yield "  ))))"


def _export(package: Package, interface: Interface) -> Iterator[str]:
    """One exported interface: its types, its functions lifted, an instance of both."""
    prefix = f"$out-{interface.name}-"
    for local in interface.uses:
        owner, definition = package.resolve(interface.name, local)
        yield f"  (alias outer 0 {_global(owner, definition.name)} (type {prefix}{local}))"
    for definition in interface.definitions.values():
        yield f"  (type {prefix}{definition.name} {_body(definition, prefix)})"
    identifier = package.interface_id(interface.name)
    for function in interface.functions.values():
        core = f"{identifier}#{function.name}"
        yield f"  (type {prefix}type-of-{function.name} (func {_function(function, prefix)}))"
        yield f"  (func {prefix}do-{function.name} (type {prefix}type-of-{function.name})"
        yield f'    (canon lift (core func $main "{core}") (memory $memory) (realloc $realloc)'
        yield f'    (post-return (core func $main "cabi_post_{core}")) string-encoding=utf8))'
    yield f"  (instance $exported-{interface.name}"
    for name in (*interface.uses, *interface.definitions):
        yield f'    (export "{name}" (type {prefix}{name}))'
    for name in interface.functions:
        yield f'    (export "{name}" (func {prefix}do-{name}))'
    yield "  )"
    yield f'  (export "{identifier}" (instance $exported-{interface.name}))'


def _global(interface: str, name: str) -> str:
    """What an imported type is called at the top of the text."""
    return f"$in-{interface}-{name}"


def _body(definition: Definition, prefix: str) -> str:
    """A defined type, its names with `prefix`."""
    if definition.kind == "type":
        aliased = definition.fields[0].type
        return _value(aliased, prefix) if aliased else ""
    if definition.kind in {"enum", "flags"}:
        names = " ".join(f'"{each.name}"' for each in definition.fields)
        return f"({definition.kind} {names})"
    word = "field" if definition.kind == "record" else "case"
    parts = " ".join(
        f'({word} "{each.name}"{_payload(each.type, prefix)})' for each in definition.fields
    )
    return f"({definition.kind} {parts})"


def _payload(mentioned: Type | None, prefix: str) -> str:
    return "" if mentioned is None else f" {_value(mentioned, prefix)}"


def _function(function: Function, prefix: str) -> str:
    shown = [f'(param "{each.name}"{_payload(each.type, prefix)})' for each in function.parameters]
    if function.result is not None:
        shown.append(f"(result{_payload(function.result, prefix)})")
    return " ".join(shown)


def _value(mentioned: Type, prefix: str) -> str:
    if mentioned.name in PRIMITIVES:
        return mentioned.name
    if mentioned.name not in GENERICS:
        return f"{prefix}{mentioned.name}"
    if mentioned.name == "result":
        ok, error = mentioned.arguments
        failed = "" if error is None else f" (error{_payload(error, prefix)})"
        return f"(result{_payload(ok, prefix)}{failed})"
    inner = "".join(_payload(each, prefix) for each in mentioned.arguments)
    return f"({mentioned.name}{inner})"


def _core(parameters: tuple[str, ...], results: tuple[str, ...]) -> str:
    shown = [f"(param {' '.join(parameters)})"] if parameters else []
    return " ".join([*shown, f"(result {' '.join(results)})"] if results else shown)
