"""A merge patch applied to a JSON5 text: what it does not name stays as its author wrote it.

The same rules as `carapace.config.merge_patch`, carried out by the editor that keeps comments,
order and layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from carapace.config.editor import EditError, set_value, unset_value
from carapace.config.json5 import Node, parse
from carapace.config.located import Key
from carapace.config.merge_patch import merge_patch

__all__ = ["patch_text", "patched_keys"]

_EMPTY = "{\n}\n"


def patch_text(text: str, patch: dict[str, Any]) -> str:
    """`text` with `patch` merged into it as RFC 7396 says; blank text is an empty object.

    Raises:
        Json5Error: If `text` is not JSON5.
        EditError: If `text` does not hold an object.
    """
    text = text if text.strip() else _EMPTY
    if parse(text).kind != "object":
        raise EditError("the file does not hold an object; start it with { and end it with }")
    return _merged(text, (), patch)


def patched_keys(patch: dict[str, Any], key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Every key that `patch` sets or (None) removes, with the value it gives."""
    for name, value in patch.items():
        if isinstance(value, dict) and value:
            yield from patched_keys(cast("dict[str, Any]", value), (*key, name))
        else:
            yield (*key, name), value


def _merged(text: str, key: Key, patch: dict[str, Any]) -> str:
    for name, value in patch.items():
        here = (*key, name)
        found = _node(text, here)
        if value is None:
            text = text if found is None else unset_value(text, here)
        elif isinstance(value, dict) and found is not None and found.kind == "object":
            text = _merged(text, here, cast("dict[str, Any]", value))
        else:
            text = set_value(text, here, merge_patch(None, value))
    return text


def _node(text: str, key: Key) -> Node | None:
    here: Node | None = parse(text)
    for name in key:
        member = here.member(str(name)) if here is not None else None
        here = member.node if member is not None else None
    return here
