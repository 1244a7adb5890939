"""Secrets never leave through a read: a marker stands in their place.

Who writes the marker back keeps what is stored. A secret is what a setting says is one, and,
for keys without meaning here, whatever has the name of one. A reference such as `${TOKEN}`
is shown: it is the name of a secret, not the secret.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

from carapace.config import catalogue
from carapace.config.json5 import Json5Error, Node, parse
from carapace.config.located import Key
from carapace.config.secret_names import names_secret

__all__ = ["MARKER", "is_secret", "redact_text", "redact_tree", "restore_text", "restore_tree"]

MARKER: Final = "__OPENCLAW_REDACTED__"

_REFERENCE = re.compile(r"(?:\$\{[A-Z_][A-Z0-9_]*\})+")
_PASSWORD_IN_URL = re.compile(r"://[^/\s@]*:[^/\s@]+@")
_ROUGH = re.compile(
    r"""(?ix) (["']?[\w-]*
    (?:token|password|passphrase|secret|api_?key|private_?key|credentials?)["']?
    \s*:\s*) ("(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|[^\s,}{\[\]]+)"""
)


def is_secret(key: Key) -> bool:
    """Whether the value at `key` is one to hide."""
    for length in range(len(key), 0, -1):
        field = catalogue.find(key[:length])
        if field is not None and field.secret:
            return True
    known = catalogue.find(key)
    if known is not None and not _is_free(known):
        return False
    names = [str(part) for part in key if isinstance(part, str)]
    last = names[-1] if names else ""
    return names_secret(last) or "headers" in names or key[:1] == ("env",)


def _is_free(field: catalogue.Field) -> bool:
    """Whether anything may stand there, as in the settings of a plugin: the names decide then."""
    return field.shape.item is not None and field.shape.item.type is Any


def _hides(key: Key, value: Any) -> bool:
    if value is None or isinstance(value, bool) or value == "":
        return False
    if isinstance(value, str) and _REFERENCE.fullmatch(value):
        return False
    return is_secret(key) or (isinstance(value, str) and _has_password(value))


def _has_password(text: str) -> bool:
    return "@" in text and _PASSWORD_IN_URL.search(text) is not None


def redact_tree(value: Any, key: Key = ()) -> Any:
    """A copy of a plain tree with the marker in place of each secret."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: redact_tree(one, (*key, name)) for name, one in members.items()}
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [redact_tree(one, (*key, index)) for index, one in enumerate(items)]
    return MARKER if _hides(key, value) else value


def redact_text(text: str) -> str:
    """A file's text with the marker in place of each secret, all else as it is.

    Text that is not JSON5 is searched for names of secrets line by line instead.
    """
    try:
        root = parse(text)
    except Json5Error:
        return _ROUGH.sub(rf'\1"{MARKER}"', text)
    spans: list[tuple[int, int]] = []
    _collect(root, (), spans)
    for start, end in reversed(spans):
        text = f'{text[:start]}"{MARKER}"{text[end:]}'
    return text


def _collect(node: Node, key: Key, spans: list[tuple[int, int]]) -> None:
    for member in node.members:
        _collect(member.node, (*key, member.key), spans)
    for index, item in enumerate(node.items):
        _collect(item, (*key, index), spans)
    if node.kind == "scalar" and _hides(key, node.value):
        spans.append((node.start, node.end))


def restore_tree(value: Any, stored: Any) -> Any:
    """`value` with each marker replaced by what `stored` holds at the same place.

    A marker with nothing stored behind it stays, and the caller has to refuse it.
    """
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        old = cast("dict[str, Any]", stored) if isinstance(stored, dict) else {}
        return {name: restore_tree(one, old.get(name)) for name, one in members.items()}
    if isinstance(value, list):
        items = cast("list[Any]", value)
        before = cast("list[Any]", stored) if isinstance(stored, list) else []
        return [restore_tree(one, _same(one, i, before)) for i, one in enumerate(items)]
    return stored if value == MARKER and isinstance(stored, str | int | float) else value


def _same(item: Any, index: int, before: list[Any]) -> Any:
    """The stored item that `item` is a copy of: by its id if it has one, else by position."""
    if isinstance(item, dict) and "id" in item:
        identity: Any = cast("dict[str, Any]", item)["id"]
        for one in before:
            if isinstance(one, dict) and cast("dict[str, Any]", one).get("id") == identity:
                return cast("dict[str, Any]", one)
        return None
    return before[index] if index < len(before) else None


def restore_text(text: str, stored: str) -> str:
    """`text` with each marker replaced by the literal that `stored` has at that key.

    Raises:
        Json5Error: If `text` is not JSON5.
        KeyError: With the key of a marker that nothing is stored behind.
    """
    old = parse(stored) if stored.strip() else None
    edits: list[tuple[int, int, str]] = []
    _restore(parse(text), old, (), _Texts(stored, edits))
    for start, end, literal in reversed(edits):
        text = text[:start] + literal + text[end:]
    return text


class _Texts:
    """The stored text, and the edits found so far."""

    __slots__ = ("edits", "stored")

    def __init__(self, stored: str, edits: list[tuple[int, int, str]]) -> None:
        self.stored = stored
        self.edits = edits


def _restore(node: Node, old: Node | None, key: Key, texts: _Texts) -> None:
    for member in node.members:
        found = old.member(member.key) if old else None
        _restore(member.node, found.node if found else None, (*key, member.key), texts)
    before = [one.plain() for one in old.items] if old else []
    for index, item in enumerate(node.items):
        same = _same(item.plain(), index, before)
        place = next((i for i, one in enumerate(before) if one is same), None)
        twin = old.items[place] if old is not None and place is not None else None
        _restore(item, twin, (*key, index), texts)
    if node.kind == "scalar" and node.value == MARKER:
        if old is None or old.kind != "scalar" or old.value == MARKER:
            raise KeyError(key)
        texts.edits.append((node.start, node.end, texts.stored[old.start : old.end]))
