"""What lets a plugin in Rust speak the contract: a crate of types and functions, over the C glue.

Structs are the same in both languages (`repr(C)`). They are handed over by address, since the two
compilers do not agree on how a struct travels by value; `shims` is the C in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final

from carapace.plugins.sdk.wit.c_glue import HEADER, Call, c_name, calls_of, snake, types_of
from carapace.plugins.sdk.wit.layout import Shape
from carapace.plugins.sdk.wit.syntax import Package

__all__ = ["CRATE", "SHIMS", "crate", "shims"]

CRATE: Final = "carapace_plugin.rs"
SHIMS: Final = "carapace_rust.c"

_NUMBERS: Final = {
    "bool": "bool",
    "u8": "u8",
    "s8": "i8",
    "u16": "u16",
    "s16": "i16",
    "u32": "u32",
    "s32": "i32",
    "u64": "u64",
    "s64": "i64",
    "f32": "f32",
    "f64": "f64",
    "char": "u32",
    "string": "Str",
}
# All keywords of the 2021 edition but `crate`, `self`, `Self` and `super`, which cannot be raw.
_KEYWORDS: Final = frozenset(
    {
        "as",
        "async",
        "await",
        "box",
        "break",
        "const",
        "continue",
        "do",
        "dyn",
        "else",
        "enum",
        "extern",
        "false",
        "final",
        "fn",
        "for",
        "if",
        "impl",
        "in",
        "let",
        "loop",
        "macro",
        "match",
        "mod",
        "move",
        "mut",
        "override",
        "priv",
        "pub",
        "ref",
        "return",
        "static",
        "struct",
        "trait",
        "true",
        "try",
        "type",
        "typeof",
        "union",
        "unsafe",
        "unsized",
        "use",
        "virtual",
        "where",
        "while",
        "yield",
    }
)

_JSON: Final = (
    "bool carapace_rust_json_text(const carapace_string *object, const carapace_string *key,",
    "                             carapace_string *value) {",
    "  return carapace_json_text(*object, *key, value);",
    "}",
    "void carapace_rust_json_quote(const carapace_string *text, carapace_string *quoted) {",
    "  *quoted = carapace_json_quote(*text);",
    "}",
    "",
)


def shims(package: Package, imports: Sequence[str], exports: Sequence[str]) -> str:
    """The text of `carapace_rust.c`: every function once more, with all values by address."""
    lines = ["/* Made by `cara plugin build`. Do not edit. */", f'#include "{HEADER}"', *_JSON]
    for call in calls_of(package, imports):
        given = ", ".join(f"*{name}" for name, _ in call.parameters)
        told = f"carapace_{call.symbol}({given});"
        lines.append(f"void {_shim('import', call)} {{ {_assigned(call, told)} }}")
    for call in calls_of(package, exports):
        lines.append(f"extern void {_shim('export', call)};")
        lines += [*_defined(call), ""]
    return "\n".join([*lines, ""])


def crate(package: Package, imports: Sequence[str], exports: Sequence[str]) -> str:
    """The text of the crate `carapace_plugin` for a plugin with these interfaces."""
    inward, outward = calls_of(package, imports), calls_of(package, exports)
    modules: dict[str, list[str]] = {}
    for shape in types_of([*inward, *outward]):
        if shape.owner:
            modules.setdefault(shape.owner, []).extend([*_type(shape), ""])
    for call in inward:
        modules.setdefault(call.interface, []).extend([*_import(call), ""])
    for name in exports:
        own = [call for call in outward if call.interface == name]
        modules.setdefault(name, []).extend([*_trait(own), ""])
    lines = [files("carapace.plugins.sdk.wit").joinpath("runtime.rs").read_text("utf-8")]
    for name, body in modules.items():
        lines += [f"pub mod {_word(name)} {{", "    #[allow(unused_imports)]", "    use super::*;"]
        lines += [f"    {line}".rstrip() for line in body]
        lines += ["}", ""]
    return "\n".join([*lines, *_export(outward), ""])


# ---- C ----


def _shim(prefix: str, call: Call) -> str:
    taken = [f"const {c_name(shape)} *{name}" for name, shape in call.parameters]
    if call.result is not None:
        taken.append(f"{c_name(call.result)} *carapace_out")
    return f"carapace_rust_{prefix}_{call.symbol}({', '.join(taken) or 'void'})"


def _assigned(call: Call, told: str) -> str:
    return told if call.result is None else f"*carapace_out = {told}"


def _defined(call: Call) -> Iterator[str]:
    taken = ", ".join(f"{c_name(shape)} {name}" for name, shape in call.parameters) or "void"
    gives = "void" if call.result is None else c_name(call.result)
    given = [f"&{name}" for name, _ in call.parameters]
    yield f"{gives} plugin_{call.symbol}({taken}) {{"
    if call.result is None:
        yield f"  carapace_rust_export_{call.symbol}({', '.join(given)});"
    else:
        yield f"  {gives} carapace_out;"
        yield f"  carapace_rust_export_{call.symbol}({', '.join([*given, '&carapace_out'])});"
        yield "  return carapace_out;"
    yield "}"


# ---- Rust ----


def _type(shape: Shape) -> Iterator[str]:
    name = _camel(shape.name)
    match shape.kind:
        case "enum" | "flags":
            yield from _numbered(shape, name)
        case "variant":
            yield from _variant(shape, name)
        case _:
            yield "#[derive(Clone, Copy)]"
            yield "#[repr(C)]"
            yield f"pub struct {name} {{"
            for field, part in shape.parts:
                if part is not None:
                    yield f"    pub {_word(field)}: {_rust(part)},"
            yield "}"


def _numbered(shape: Shape, name: str) -> Iterator[str]:
    width = next(size for size in (8, 16, 32) if shape.kind == "enum" or len(shape.parts) <= size)
    yield "#[derive(Clone, Copy, PartialEq, Eq)]"
    yield "#[repr(transparent)]"
    yield f"pub struct {name}(pub u{width});"
    yield f"impl {name} {{"
    for index, (case, _) in enumerate(shape.parts):
        value = index if shape.kind == "enum" else f"1 << {index}"
        yield f"    pub const {snake(case).upper()}: Self = Self({value});"
    yield "}"


def _variant(shape: Shape, name: str) -> Iterator[str]:
    loaded = [(case, part) for case, part in shape.parts if part is not None]
    yield "#[derive(Clone, Copy)]"
    yield "#[repr(C)]"
    yield f"pub struct {name} {{"
    yield "    pub tag: u8,"
    if loaded:
        yield f"    pub value: {name}Value,"
    yield "}"
    if loaded:
        yield "#[derive(Clone, Copy)]"
        yield "#[repr(C)]"
        yield f"pub union {name}Value {{"
        yield from (f"    pub {_word(case)}: {_rust(part)}," for case, part in loaded)
        yield "    pub nothing: (),"
        yield "}"
    yield f"impl {name} {{"
    for index, (case, part) in enumerate(shape.parts):
        yield f"    pub const {snake(case).upper()}: u8 = {index};"
        yield from (f"    {line}" for line in _made(name, case, part, has_value=bool(loaded)))
    yield "}"


def _made(name: str, case: str, part: Shape | None, *, has_value: bool) -> Iterator[str]:
    """The function that makes one case."""
    taken = "" if part is None else f"value: {_rust(part)}"
    inner = "nothing: ()" if part is None else f"{_word(case)}: value"
    value = f", value: {name}Value {{ {inner} }}" if has_value else ""
    yield f"pub fn {_word(case)}({taken}) -> Self {{"
    yield f"    Self {{ tag: Self::{snake(case).upper()}{value} }}"
    yield "}"


def _import(call: Call) -> Iterator[str]:
    taken = ", ".join(f"{_word(name)}: {_given(shape)}" for name, shape in call.parameters)
    gives = "" if call.result is None else f" -> {_rust(call.result)}"
    raw = f"carapace_rust_import_{call.symbol}"
    yield f"pub fn {_word(call.function.name)}({taken}){gives} {{"
    yield '    extern "C" {'
    yield f"        fn {raw}({_addresses(call)});"
    yield "    }"
    for name, shape in call.parameters:
        if shape.kind == "string":
            yield f"    let {_word(name)} = Str::from({_word(name)});"
    addresses = [f"&{_word(name)}" for name, _ in call.parameters]
    if call.result is None:
        yield f"    unsafe {{ {raw}({', '.join(addresses)}) }}"
    else:
        yield "    let mut out = std::mem::MaybeUninit::uninit();"
        yield f"    unsafe {{ {raw}({', '.join([*addresses, 'out.as_mut_ptr()'])}) }};"
        yield "    unsafe { out.assume_init() }"
    yield "}"


def _trait(calls: Sequence[Call]) -> Iterator[str]:
    yield "/// What the plugin itself must define."
    yield "pub trait Guest {"
    for call in calls:
        taken = ", ".join(f"{_word(name)}: {_given(shape)}" for name, shape in call.parameters)
        gives = "" if call.result is None else f" -> {_rust(call.result)}"
        yield f"    fn {_word(call.function.name)}({taken}){gives};"
    yield "}"


def _export(calls: Sequence[Call]) -> Iterator[str]:
    """The macro that ties a type with all the traits to the names that the C glue calls."""
    yield "#[macro_export]"
    yield "macro_rules! export {"
    yield "    ($plugin:ty) => {"
    for call in calls:
        module = f"$crate::{_word(call.interface)}"
        addresses = _addresses(call, prefix="$crate::")
        given = ", ".join(
            f"(*{_word(name)}).text()" if shape.kind == "string" else f"*{_word(name)}"
            for name, shape in call.parameters
        )
        told = f"<$plugin as {module}::Guest>::{_word(call.function.name)}({given})"
        body = told if call.result is None else f"out.write({told})"
        yield "        #[no_mangle]"
        yield f'        unsafe extern "C" fn carapace_rust_export_{call.symbol}({addresses}) {{'
        yield f"            {body};"
        yield "        }"
    yield "    };"
    yield "}"


def _addresses(call: Call, prefix: str = "") -> str:
    taken = [f"{_word(name)}: *const {_rust(shape, prefix)}" for name, shape in call.parameters]
    if call.result is not None:
        taken.append(f"out: *mut {_rust(call.result, prefix)}")
    return ", ".join(taken)


def _given(shape: Shape) -> str:
    """The type of a parameter: text is taken as Rust has it."""
    return "&str" if shape.kind == "string" else _rust(shape)


def _rust(shape: Shape | None, prefix: str = "") -> str:
    """The Rust name of a type."""
    if shape is None:
        return "()"
    if shape.kind in _NUMBERS:
        name = _NUMBERS[shape.kind]
        return f"{prefix}{name}" if name == "Str" else name
    if shape.owner:
        return f"{prefix}{_word(shape.owner)}::{_camel(shape.name)}"
    inner = ", ".join(_rust(part, prefix) for _, part in shape.parts)
    generic = {"list": "List", "option": "Opt", "result": "Res"}.get(shape.kind)
    return f"{prefix}{generic or f'Tuple{len(shape.parts)}'}<{inner}>"


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _word(name: str) -> str:
    plain = name.replace("-", "_")
    return f"r#{plain}" if plain in _KEYWORDS else plain
