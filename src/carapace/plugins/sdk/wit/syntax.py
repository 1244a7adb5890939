"""Reads WIT text into values: the part of the language that our contract may use.

Grammar: https://component-model.bytecodealliance.org/design/wit.html. Resources, async
functions, streams, futures, gates (`@since`) and nested packages are refused where they stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NoReturn

from carapace.value import Value

__all__ = [
    "Definition",
    "Field",
    "Function",
    "Interface",
    "Package",
    "Type",
    "WitError",
    "World",
    "parse",
]

PRIMITIVES: Final = frozenset(
    {
        *("bool", "char", "string", "f32", "f64"),
        *("s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64"),
    }
)
GENERICS: Final = frozenset({"list", "option", "result", "tuple"})
REFUSED: Final = frozenset({"resource", "own", "borrow", "stream", "future", "async", "static"})

_TOKEN: Final = re.compile(
    r"(?P<doc>///[^\n]*)|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<space>\s+)"
    r"|(?P<word>%?[a-zA-Z][a-zA-Z0-9]*(?:-[a-zA-Z0-9]+)*)|(?P<number>\d+(?:\.\d+)*)"
    r"|(?P<arrow>->)|(?P<mark>[{}()<>,;:=@/._*])",
    re.DOTALL,
)


class WitError(ValueError):
    """Text that is not WIT, or WIT that our contract may not use. Says the line."""


class Type(Value, frozen=True):
    """A type where it is used.

    Attributes:
        name: A primitive, a generic (`list`, `option`, `result`, `tuple`) or a defined name.
        arguments: Of a generic; a `result` has two, either of which may be None.
    """

    name: str
    arguments: tuple[Type | None, ...] = ()

    def __str__(self) -> str:
        """As WIT writes it."""
        if not self.arguments:
            return self.name
        if self.name == "result" and self.arguments == (None, None):
            return "result"
        shown = ["_" if each is None else str(each) for each in self.arguments]
        if self.name == "result" and shown[1] == "_":
            shown.pop()
        return f"{self.name}<{', '.join(shown)}>"


class Field(Value, frozen=True):
    """A field, a case, a flag or a parameter; `type` is None where there is none."""

    name: str
    type: Type | None
    docs: str = ""


class Definition(Value, frozen=True):
    """A named type.

    Attributes:
        kind: `record`, `variant`, `enum`, `flags` or `type` (an alias: its one field's type).
    """

    kind: str
    name: str
    fields: tuple[Field, ...]
    docs: str = ""


class Function(Value, frozen=True):
    """A function; `result` is None if it gives nothing."""

    name: str
    parameters: tuple[Field, ...]
    result: Type | None
    docs: str = ""


class Interface(Value, frozen=True):
    """One interface.

    Attributes:
        uses: Local name of a type -> (interface, its name there).
    """

    name: str
    docs: str
    uses: Mapping[str, tuple[str, str]]
    definitions: Mapping[str, Definition]
    functions: Mapping[str, Function]


class World(Value, frozen=True):
    """What a component imports and exports, as names of interfaces of the same package."""

    name: str
    docs: str
    imports: tuple[str, ...]
    exports: tuple[str, ...]


class Package(Value, frozen=True):
    """A whole WIT file."""

    name: str
    version: str
    interfaces: Mapping[str, Interface]
    worlds: Mapping[str, World]

    def interface_id(self, interface: str) -> str:
        """The name that components use: `carapace:plugin/kv@1.0.0`."""
        return f"{self.name}/{interface}@{self.version}"

    def resolve(self, interface: str, name: str) -> tuple[str, Definition]:
        """The definition that `name` means in `interface`, and the interface that holds it.

        Raises:
            WitError: If there is none.
        """
        here = self.interfaces.get(interface)
        if here is not None and name in here.definitions:
            return interface, here.definitions[name]
        if here is not None and name in here.uses:
            return self.resolve(*here.uses[name])
        raise WitError(f"interface {interface} knows no type {name}")


def parse(text: str) -> Package:
    """Read one WIT file.

    Raises:
        WitError: If it is not WIT, uses what the contract may not, or names unknown types.
    """
    package = _Parser(text).package()
    for interface in package.interfaces.values():
        _check_names(package, interface)
    return package


class _Token(Value, frozen=True):
    kind: str
    text: str
    line: int


class _Parser:
    """Recursive descent over the tokens; documentation is kept for whatever follows it."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._docs: list[str] = []

    def package(self) -> Package:
        self._peek()
        self._take_docs()
        self._expect("package")
        name = f"{self._word()}{self._expect(':')}{self._word()}"
        self._expect("@")
        version = self._next().text
        self._expect(";")
        interfaces: dict[str, Interface] = {}
        worlds: dict[str, World] = {}
        while self._peek().kind != "end":
            docs = self._take_docs()
            keyword = self._word()
            item = self._word()
            if keyword == "interface" and item not in interfaces:
                interfaces[item] = self._interface(item, docs)
            elif keyword == "world" and item not in worlds:
                worlds[item] = self._world(item, docs)
            else:
                self._fail(f"no new interface or world: {keyword} {item}")
        return Package(name, version, interfaces, worlds)

    def _interface(self, name: str, docs: str) -> Interface:
        uses: dict[str, tuple[str, str]] = {}
        definitions: dict[str, Definition] = {}
        functions: dict[str, Function] = {}
        self._expect("{")
        while not self._accept("}"):
            item_docs = self._take_docs()
            keyword = self._word()
            if keyword == "use":
                uses |= self._use()
            elif keyword in {"record", "variant", "enum", "flags", "type"} and not self._is(":"):
                definition = self._definition(keyword, item_docs)
                definitions[definition.name] = definition
            else:
                self._expect(":")
                functions[keyword] = self._function(keyword, item_docs)
            self._peek()
        return Interface(name, docs, uses, definitions, functions)

    def _world(self, name: str, docs: str) -> World:
        sides: dict[str, list[str]] = {"import": [], "export": []}
        self._expect("{")
        while not self._accept("}"):
            self._take_docs()
            side = self._word()
            if side not in sides:
                self._fail(f"a world may import and export, not {side}")
            sides[side].append(self._word())
            self._expect(";")
            self._peek()
        return World(name, docs, tuple(sides["import"]), tuple(sides["export"]))

    def _use(self) -> dict[str, tuple[str, str]]:
        source = self._word()
        self._expect(".")
        self._expect("{")
        found: dict[str, tuple[str, str]] = {}
        while not self._accept("}"):
            name = self._word()
            local = self._word() if self._accept("as") else name
            found[local] = (source, name)
            if not self._accept(","):
                self._expect("}")
                break
        self._expect(";")
        return found

    def _definition(self, kind: str, docs: str) -> Definition:
        name = self._word()
        if kind == "type":
            self._expect("=")
            aliased = self._type()
            self._expect(";")
            return Definition(kind, name, (Field("", aliased),), docs)
        self._expect("{")
        fields = self._fields(kind, "}")
        if not fields:
            self._fail(f"{kind} {name} has nothing in it")
        return Definition(kind, name, fields, docs)

    def _fields(self, kind: str, end: str) -> tuple[Field, ...]:
        fields: list[Field] = []
        while not self._accept(end):
            self._peek()
            docs = self._take_docs()
            name = self._word()
            fields.append(Field(name, self._field_type(kind), docs))
            if not self._accept(","):
                self._expect(end)
                break
        return tuple(fields)

    def _field_type(self, kind: str) -> Type | None:
        if kind in {"record", "parameters"}:
            self._expect(":")
            return self._type()
        if kind == "variant" and self._accept("("):
            payload = self._type()
            self._expect(")")
            return payload
        return None

    def _function(self, name: str, docs: str) -> Function:
        self._expect("func")
        self._expect("(")
        parameters = self._fields("parameters", ")")
        result = self._type() if self._accept("->") else None
        self._expect(";")
        return Function(name, parameters, result, docs)

    def _type(self) -> Type:
        name = self._word()
        if name not in GENERICS:
            return Type(name)
        if not self._accept("<"):
            if name == "result":
                return Type(name, (None, None))
            self._fail(f"{name} of what?")
        arguments: list[Type | None] = []
        while not self._accept(">"):
            arguments.append(None if self._accept("_") else self._type())
            if not self._accept(","):
                self._expect(">")
                break
        if name == "result" and len(arguments) == 1:
            arguments.append(None)
        expected = {"list": 1, "option": 1, "result": 2}.get(name, max(1, len(arguments)))
        if len(arguments) != expected:
            self._fail(f"{name} takes {expected}, not {len(arguments)}")
        return Type(name, tuple(arguments))

    def _word(self) -> str:
        token = self._next()
        if token.kind != "word":
            self._fail(f"expected a name, found {token.text or 'the end'!r}", token)
        if token.text in REFUSED:
            self._fail(f"the contract may not use {token.text}", token)
        return token.text.removeprefix("%")

    def _is(self, text: str) -> bool:
        return self._peek().text == text

    def _accept(self, text: str) -> bool:
        if not self._is(text):
            return False
        self._next()
        return True

    def _expect(self, text: str) -> str:
        token = self._next()
        if token.text != text:
            self._fail(f"expected {text!r}, found {token.text or 'the end'!r}", token)
        return text

    def _peek(self) -> _Token:
        while self._tokens[self._at].kind == "doc":
            self._docs.append(self._tokens[self._at].text.removeprefix("///").strip())
            self._at += 1
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._peek()
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take_docs(self) -> str:
        docs, self._docs = "\n".join(self._docs), []
        return docs

    def _fail(self, why: str, token: _Token | None = None) -> NoReturn:
        where = token or self._tokens[self._at]
        raise WitError(f"line {where.line}: {why}")


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise WitError(f"line {line}: {text[at]!r} is no part of WIT")
        kind = match.lastgroup or ""
        if kind not in {"comment", "space"}:
            found.append(_Token(kind, match.group(), line))
        line += match.group().count("\n")
        at = match.end()
    return [*found, _Token("end", "", line)]


def _check_names(package: Package, interface: Interface) -> None:
    """Every type that `interface` mentions exists."""
    for local in interface.uses:
        package.resolve(interface.name, local)
    typed: list[Type | None] = [
        each.type for definition in interface.definitions.values() for each in definition.fields
    ]
    for function in interface.functions.values():
        typed += [parameter.type for parameter in function.parameters]
        typed.append(function.result)
    for each in typed:
        _check_type(package, interface, each)


def _check_type(package: Package, interface: Interface, mentioned: Type | None) -> None:
    if mentioned is None or mentioned.name in PRIMITIVES:
        return
    if mentioned.name not in GENERICS:
        package.resolve(interface.name, mentioned.name)
    for argument in mentioned.arguments:
        _check_type(package, interface, argument)
