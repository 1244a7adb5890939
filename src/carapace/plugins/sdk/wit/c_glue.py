"""C sources that let a plugin in C speak the contract in structs.

For the interfaces of one plugin: a header with a struct for every type, a function for every
import and the prototype of every function that the plugin must write; and a source that unpacks
what the gateway passes and hands back what the plugin returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final

from carapace.plugins.sdk.wit.layout import (
    MAX_FLAT_PARAMETERS,
    Shape,
    core_signature,
    flat,
    shape_of,
)
from carapace.plugins.sdk.wit.syntax import Function, Package, WitError
from carapace.value import Value

__all__ = [
    "HEADER",
    "SOURCE",
    "Call",
    "c_name",
    "calls_of",
    "header",
    "snake",
    "source",
    "types_of",
]

HEADER: Final = "carapace_plugin.h"
SOURCE: Final = "carapace_plugin.c"

_PRIMITIVES: Final = {
    "bool": "bool",
    "u8": "uint8_t",
    "s8": "int8_t",
    "u16": "uint16_t",
    "s16": "int16_t",
    "u32": "uint32_t",
    "s32": "int32_t",
    "u64": "uint64_t",
    "s64": "int64_t",
    "f32": "float",
    "f64": "double",
    "char": "uint32_t",
    "string": "carapace_string",
}
_CORE: Final = {"i32": "uint32_t", "i64": "uint64_t", "f32": "float", "f64": "double"}
_RESERVED: Final = frozenset(
    {"default", "static", "switch", "case", "register", "union", "struct", "enum"}
)
# Flags of up to 8, 16 and 32 names lie in one, two and four bytes (CanonicalABI.md, "Flags").
_FLAGS: Final = ((8, "uint8_t"), (16, "uint16_t"), (32, "uint32_t"))


class Call(Value, frozen=True):
    """A function with its shapes resolved.

    Attributes:
        interface: That holds it.
        function: As the contract has it.
        parameters: Name in C and shape of each.
        result: Its shape, if it gives anything.
    """

    interface: str
    function: Function
    parameters: tuple[tuple[str, Shape], ...]
    result: Shape | None

    @property
    def symbol(self) -> str:
        """Its name in C, without a prefix."""
        return f"{snake(self.interface)}_{snake(self.function.name)}"

    @property
    def is_spilled(self) -> bool:
        """Whether the parameters go through memory."""
        return sum(len(flat(shape)) for _, shape in self.parameters) > MAX_FLAT_PARAMETERS


def header(package: Package, imports: Sequence[str], exports: Sequence[str]) -> str:
    """The text of `carapace_plugin.h` for a plugin with these interfaces."""
    calls = [*calls_of(package, imports), *calls_of(package, exports)]
    lines = [_runtime("runtime.h"), ""]
    for shape in types_of(calls):
        lines += [*_type(shape), ""]
    for call in calls_of(package, imports):
        lines += [*_import(package, call), ""]
    lines.append("/* What the plugin itself must define. */")
    lines += [f"{_prototype('plugin', call)};" for call in calls_of(package, exports)]
    return "\n".join([*lines, "", "#endif", ""])


def source(package: Package, exports: Sequence[str]) -> str:
    """The text of `carapace_plugin.c` for a plugin that exports these interfaces."""
    lines = [_runtime("runtime.c"), ""]
    for call in calls_of(package, exports):
        lines += [*_export(package, call), ""]
    return "\n".join(lines)


def _runtime(name: str) -> str:
    return files("carapace.plugins.sdk.wit").joinpath(name).read_text("utf-8").rstrip()


def calls_of(package: Package, interfaces: Sequence[str]) -> list[Call]:
    """The functions of these interfaces."""
    found: list[Call] = []
    for name in interfaces:
        for function in package.interfaces[name].functions.values():
            parameters = tuple(
                (snake(each.name), shape_of(package, name, each.type))
                for each in function.parameters
                if each.type is not None
            )
            result = None if function.result is None else shape_of(package, name, function.result)
            found.append(Call(name, function, parameters, result))
    return found


def types_of(calls: Sequence[Call]) -> list[Shape]:
    """Every type that needs a struct, each after those it is made of."""
    found: dict[str, Shape] = {}

    def visit(shape: Shape | None) -> None:
        if shape is None or shape.kind in _PRIMITIVES or c_name(shape) in found:
            return
        for _, part in shape.parts:
            visit(part)
        found[c_name(shape)] = shape

    for call in calls:
        for _, shape in call.parameters:
            visit(shape)
        visit(call.result)
    return list(found.values())


def _type(shape: Shape) -> Iterator[str]:
    name = c_name(shape)
    if shape.kind in {"enum", "flags"}:
        yield f"typedef {_small(shape)} {name};"
        yield "enum {"
        for index, (case, _) in enumerate(shape.parts):
            value = index if shape.kind == "enum" else f"1u << {index}"
            yield f"  {name.upper()}_{snake(case).upper()} = {value},"
        yield "};"
    elif shape.kind == "list":
        yield f"typedef struct {{ {c_name(shape.part(0))} *items; uint32_t count; }} {name};"
    elif shape.kind == "option":
        yield f"typedef struct {{ bool is_some; {c_name(shape.part(0))} value; }} {name};"
    elif shape.kind in {"variant", "result"}:
        yield from _union(shape, name)
    else:
        yield "typedef struct {"
        for field, part in shape.parts:
            if part is not None:
                yield f"  {c_name(part)} {snake(field)};"
        yield f"}} {name};"


def _union(shape: Shape, name: str) -> Iterator[str]:
    if shape.kind == "variant":
        yield "enum {"
        for index, (case, _) in enumerate(shape.parts):
            yield f"  {name.upper()}_{snake(case).upper()} = {index},"
        yield "};"
    yield "typedef struct {"
    yield f"  {'bool is_error' if shape.kind == 'result' else 'uint8_t tag'};"
    loaded = [(case, part) for case, part in shape.parts if part is not None]
    if loaded:
        members = " ".join(f"{c_name(part)} {snake(case)};" for case, part in loaded)
        yield f"  union {{ {members} }} value;"
    yield f"}} {name};"


def _import(package: Package, call: Call) -> Iterator[str]:
    parameters, results = core_signature(package, call.interface, call.function, imported=True)
    identifier = package.interface_id(call.interface)
    taken = ", ".join(_CORE[core] for core in parameters) or "void"
    gives = _CORE[results[0]] if results else "void"
    raw = f"carapace_raw_{call.symbol}"
    yield f'__attribute__((import_module("{identifier}"), import_name("{call.function.name}")))'
    yield f"extern {gives} {raw}({taken});"
    yield f"static inline {_prototype('carapace', call)} {{"
    given = [part for name, shape in call.parameters for part in _packed(name, shape)]
    if call.is_spilled:
        names = ", ".join(name for name, _ in call.parameters)
        yield f"  {_spilled(call)} parameters = {{{names}}};"
        given = ["(uint32_t)&parameters"]
    if call.result is None:
        yield f"  {raw}({', '.join(given)});"
    elif results:
        yield f"  return ({c_name(call.result)}){raw}({', '.join(given)});"
    else:
        yield f"  {c_name(call.result)} result;"
        yield f"  {raw}({', '.join([*given, '(uint32_t)&result'])});"
        yield "  return result;"
    yield "}"


def _export(package: Package, call: Call) -> Iterator[str]:
    parameters, results = core_signature(package, call.interface, call.function, imported=False)
    core_name = f"{package.interface_id(call.interface)}#{call.function.name}"
    taken = ", ".join(f"{_CORE[core]} a{index}" for index, core in enumerate(parameters))
    gives = _CORE[results[0]] if results else "void"
    yield f'__attribute__((export_name("{core_name}")))'
    yield f"{gives} carapace_export_{call.symbol}({taken or 'void'}) {{"
    yield from _unpacked_parameters(call)
    given = ", ".join(name for name, _ in call.parameters)
    called = f"plugin_{call.symbol}({given})"
    if call.result is None:
        yield f"  {called};"
    elif len(flat(call.result)) > 1:
        yield f"  static {c_name(call.result)} result;"
        yield f"  result = {called};"
        yield "  return (uint32_t)&result;"
    else:
        yield f"  {c_name(call.result)} result = {called};"
        yield f"  return {_packed('result', call.result)[0]};"
    yield "}"
    yield f'__attribute__((export_name("cabi_post_{core_name}")))'
    dropped = f"{gives} result" if results else "void"
    unused = "(void)result; " if results else ""
    yield f"void carapace_post_{call.symbol}({dropped}) {{ {unused}carapace_release_all(); }}"


def _unpacked_parameters(call: Call) -> Iterator[str]:
    if call.is_spilled:
        yield f"  {_spilled(call)} *spilled = (void *)a0;"
        for name, shape in call.parameters:
            yield f"  {c_name(shape)} {name} = spilled->{name};"
        return
    at = 0
    for name, shape in call.parameters:
        width = len(flat(shape))
        yield f"  {c_name(shape)} {name};"
        slots = [f"a{at + index}" for index in range(width)]
        yield from (f"  {line}" for line in _unpacked(name, shape, slots))
        at += width


def _spilled(call: Call) -> str:
    members = " ".join(f"{c_name(shape)} {name};" for name, shape in call.parameters)
    return f"struct {{ {members} }}"


def _prototype(prefix: str, call: Call) -> str:
    taken = ", ".join(f"{c_name(shape)} {name}" for name, shape in call.parameters) or "void"
    gives = "void" if call.result is None else c_name(call.result)
    return f"{gives} {prefix}_{call.symbol}({taken})"


def _packed(value: str, shape: Shape) -> list[str]:
    """Expressions for the core values of the C value `value`."""
    if shape.kind == "string":
        return [f"(uint32_t){value}.bytes", f"{value}.length"]
    if shape.kind == "list":
        return [f"(uint32_t){value}.items", f"{value}.count"]
    if shape.kind in {"record", "tuple"}:
        parts = [(name, part) for name, part in shape.parts if part is not None]
        return [each for name, part in parts for each in _packed(f"{value}.{snake(name)}", part)]
    if shape.kind not in {"option", "variant", "result"}:
        return [value]
    tag = f"{value}.{_tag(shape)}"
    slots = ["0"] * (len(flat(shape)) - 1)
    for index, member, part in _cases(shape):
        for at, each in enumerate(_packed(f"{value}.{member}", part)):
            slots[at] = f"({tag} == {index} ? {each} : {slots[at]})"
    return [tag, *slots]


def _unpacked(target: str, shape: Shape, slots: Sequence[str]) -> Iterator[str]:
    """Statements that fill `target` from core values."""
    if shape.kind == "string":
        yield f"{target} = (carapace_string){{(const char *){slots[0]}, {slots[1]}}};"
    elif shape.kind == "list":
        yield f"{target}.items = (void *){slots[0]}; {target}.count = {slots[1]};"
    elif shape.kind in {"record", "tuple"}:
        at = 0
        for name, part in shape.parts:
            if part is not None:
                width = len(flat(part))
                yield from _unpacked(f"{target}.{snake(name)}", part, slots[at : at + width])
                at += width
    elif shape.kind in {"option", "variant", "result"}:
        yield f"{target}.{_tag(shape)} = {slots[0]};"
        for index, member, part in _cases(shape):
            yield f"if ({slots[0]} == {index}) {{"
            yield from (f"  {line}" for line in _unpacked(f"{target}.{member}", part, slots[1:]))
            yield "}"
    else:
        yield f"{target} = ({c_name(shape)}){slots[0]};"


def _tag(shape: Shape) -> str:
    return {"option": "is_some", "result": "is_error"}.get(shape.kind, "tag")


def _cases(shape: Shape) -> Iterator[tuple[int, str, Shape]]:
    """Number, C member and shape of each case with a payload.

    Raises:
        WitError: If two cases need different core types in one place; the contract has no such
            type, and the conversions of the ABI for it are not written.
    """
    joined = flat(shape)[1:]
    first = 1 if shape.kind == "option" else 0
    for index, (case, part) in enumerate(shape.parts, first):
        if part is None:
            continue
        if flat(part) != joined[: len(flat(part))]:
            raise WitError(f"{shape.name}: cases of unlike core types are not supported in C")
        yield index, "value" if shape.kind == "option" else f"value.{snake(case)}", part


def c_name(shape: Shape) -> str:
    """The C name of a type."""
    if shape.kind in _PRIMITIVES:
        return _PRIMITIVES[shape.kind]
    if shape.owner:
        return f"carapace_{snake(shape.owner)}_{snake(shape.name)}"
    made_of = "_".join("none" if part is None else _word(part) for _, part in shape.parts)
    return f"carapace_{shape.kind}_{made_of}"


def _word(shape: Shape) -> str:
    """What a type is called inside of another's name."""
    return shape.kind if shape.kind in _PRIMITIVES else c_name(shape).removeprefix("carapace_")


def _small(shape: Shape) -> str:
    if shape.kind == "enum":
        return "uint8_t"
    return next(name for most, name in _FLAGS if len(shape.parts) <= most)


def snake(name: str) -> str:
    """A name of the contract as one of C."""
    plain = name.replace("-", "_")
    return f"{plain}_" if plain in _RESERVED else plain
