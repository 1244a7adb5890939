"""JSON5 text to a tree that remembers where everything stands.

The structure is scanned here, because both exact error places and an editor that keeps
comments need the spans; single values are decoded by pyjson5. Grammar: the JSON5
specification 1.0.0 (spec.json5.org), without `Infinity` and `NaN`: no setting can be them.
"""

from __future__ import annotations

import bisect
import re
from typing import Any, Final, Literal, cast

import msgspec
import pyjson5

from carapace.value import Value

__all__ = ["MAX_DEPTH", "Json5Error", "Lines", "Member", "Node", "Scalar", "parse"]

Scalar = str | int | float | bool | None
MAX_DEPTH: Final = 64

_BLANK = re.compile(
    r"(?:[\s\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
    r"|//[^\n\r\u2028\u2029]*|/\*.*?\*/)*",
    re.DOTALL,
)
_STRINGS = {
    '"': re.compile(r'"(?:[^"\\\n\r]|\\(?:\r\n|.))*"', re.DOTALL),
    "'": re.compile(r"'(?:[^'\\\n\r]|\\(?:\r\n|.))*'", re.DOTALL),
}
_NAME = re.compile(r"(?:[^\W\d]|[$]|\\u[0-9a-fA-F]{4})(?:\w|[$\u200c\u200d]|\\u[0-9a-fA-F]{4})*")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F]+|(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"(?![\w$.])"
)
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None}
_FOREIGN_WORDS = {"True": "true", "False": "false", "None": "null", "undefined": "null"}
_MAX_SAFE = 2**53


class Json5Error(ValueError):
    """Text that is not JSON5.

    Attributes:
        line, column: Where, counted from 1.
        expected: What the grammar wants there.
        found: What is there instead.
        fix: What to do about it, as a sentence.
        char: The character that stands there; empty at the end of the text.
    """

    def __init__(
        self, *, at: tuple[int, int], expected: str, found: str, fix: str, char: str = ""
    ) -> None:
        self.line, self.column = at
        self.expected = expected
        self.found = found
        self.fix = fix
        self.char = char
        super().__init__(f"expected {expected}, found {found}. {fix}")


class Member(Value, frozen=True):
    """One `key: value` of an object; `comma` is the offset of the comma behind it, if any."""

    key: str
    key_start: int
    key_end: int
    node: Node
    comma: int | None


class Node(Value, frozen=True):
    """One value with its span `[start, end)` in the text."""

    kind: Literal["object", "array", "scalar"]
    start: int
    end: int
    value: Scalar = None
    members: tuple[Member, ...] = ()
    items: tuple[Node, ...] = ()
    commas: tuple[int | None, ...] = msgspec.field(default=())

    def member(self, key: str) -> Member | None:
        """The member that counts: the last of that name, as JavaScript reads it."""
        return next((one for one in reversed(self.members) if one.key == key), None)

    def plain(self) -> Any:
        """The value as plain dicts, lists and scalars."""
        if self.kind == "object":
            return {one.key: one.node.plain() for one in self.members}
        if self.kind == "array":
            return [item.plain() for item in self.items]
        return self.value


class Lines:
    """Offsets to lines and columns, both from 1."""

    __slots__ = ("_starts",)

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer(r"\r\n|\n|\r", text))]

    def at(self, offset: int) -> tuple[int, int]:
        """Line and column of `offset`."""
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def parse(text: str) -> Node:
    """The one value that `text` holds.

    Raises:
        Json5Error: With line, column, what was expected and how to mend it.
    """
    scan = _Scan(text)
    scan.skip()
    node = scan.value(depth=0)
    scan.skip()
    if scan.at < len(text):
        raise scan.error("the end of the file", "Remove what stands behind the last bracket.")
    return node


class _Scan:
    """A cursor over the text; one method for each rule of the grammar."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip(self) -> None:
        """Move over blanks and comments."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        if self.text.startswith("/*", self.at):
            raise self.error("the end of the comment", 'Close it with "*/".')

    def error(self, expected: str, fix: str) -> Json5Error:
        rest = self.text[self.at : self.at + 40]
        word = _NAME.match(rest)
        found = f"`{word.group()}`" if word else (repr(rest[0]) if rest else "the end of the file")
        place = Lines(self.text).at(self.at)
        return Json5Error(at=place, expected=expected, found=found, fix=fix, char=rest[:1])

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def value(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error(f"at most {MAX_DEPTH} levels of nesting", "Flatten the file.")
        char = self.peek()
        if char == "{":
            return self.object(depth)
        if char == "[":
            return self.array(depth)
        start = self.at
        scalar = self.scalar(char)
        return Node("scalar", start, self.at, scalar)

    def scalar(self, char: str) -> Scalar:
        if char in _STRINGS:
            return self.string(char)
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            return _number(found.group())
        if found := _NAME.match(self.text, self.at):
            return self.word(found.group())
        raise self.error("a value", "Write a text in quotes, a number, true, false, null, { or [.")

    def word(self, word: str) -> Scalar:
        if word in _WORDS:
            self.at += len(word)
            return _WORDS[word]
        if word in _FOREIGN_WORDS:
            raise self.error("a value", f"Write `{_FOREIGN_WORDS[word]}` instead.")
        if word in {"Infinity", "NaN"}:
            raise self.error("a finite number", "No setting can be infinite; leave it out.")
        raise self.error("a value", f'Put text in quotes: "{word}".')

    def string(self, quote: str) -> str:
        found = _STRINGS[quote].match(self.text, self.at)
        if found is None:
            raise self.error(
                "a text that ends on its line", f"Close it with {quote} on the same line."
            )
        token = found.group()
        value = self.escaped(token) if "\\" in token else token[1:-1]
        self.at = found.end()
        return value

    def escaped(self, token: str) -> str:
        try:
            return cast("str", pyjson5.decode(token))
        except pyjson5.Json5DecoderException:
            raise self.error("a text with valid escapes", r"Write a backslash as \\.") from None

    def key(self) -> str:
        char = self.peek()
        if char in _STRINGS:
            return self.string(char)
        found = _NAME.match(self.text, self.at)
        if found is None:
            raise self.error('a name or "}"', "Put the name in quotes.")
        name = found.group()
        if "\\" in name:
            name = self.escaped(f'"{name}"')
        self.at = found.end()
        return name

    def object(self, depth: int) -> Node:
        start = self.at
        members: list[Member] = []
        self.at += 1
        while True:
            self.skip()
            self.need_more("}", start)
            if self.peek() == "}":
                break
            members.append(self.one_member(depth, start))
            if members[-1].comma is None:
                break
        self.at += 1
        return Node("object", start, self.at, members=tuple(members))

    def one_member(self, depth: int, opened: int) -> Member:
        key_start = self.at
        key = self.key()
        key_end = self.at
        self.skip()
        if self.peek() != ":":
            raise self.error(
                f'":" after the name `{key}`', 'Write ":" between a name and its value.'
            )
        self.at += 1
        self.skip()
        node = self.value(depth + 1)
        return Member(key, key_start, key_end, node, self.comma("}", opened))

    def array(self, depth: int) -> Node:
        start = self.at
        items: list[Node] = []
        commas: list[int | None] = []
        self.at += 1
        while True:
            self.skip()
            self.need_more("]", start)
            if self.peek() == "]":
                break
            items.append(self.value(depth + 1))
            commas.append(self.comma("]", start))
            if commas[-1] is None:
                break
        self.at += 1
        return Node("array", start, self.at, items=tuple(items), commas=tuple(commas))

    def comma(self, close: str, opened: int) -> int | None:
        """The offset of the comma behind a value; None if the closing bracket stands there."""
        self.skip()
        self.need_more(close, opened)
        if self.peek() == ",":
            self.at += 1
            return self.at - 1
        if self.peek() != close:
            raise self.error(f'"," or "{close}"', "Add a comma behind the value before it.")
        return None

    def need_more(self, close: str, opened: int) -> None:
        if self.at >= len(self.text):
            line, column = Lines(self.text).at(opened)
            raise self.error(
                f'"{close}"', f"Close the bracket that was opened at line {line}, column {column}."
            )


def _number(token: str) -> int | float:
    """A number; one without fraction becomes an int however it is written (1e3, 128000.0)."""
    value = cast("int | float", pyjson5.decode(token))
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_SAFE:
        return int(value)
    return value
