"""A decoder as strict as Swift's and Kotlin's, for shapes that a data file describes.

A field that is not marked optional may be neither absent nor null; an int is a whole JSON
number, so that `1.0` and `1e3` are none; a word of a closed list is of the list. Fields that a
shape does not name are skipped, as the apps' decoders do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["Shapes", "Undecodable"]

_PLAIN: Final[Mapping[str, tuple[type, ...]]] = {
    "int": (int,),
    "number": (int, float),
    "string": (str,),
    "bool": (bool,),
    "object": (dict,),
}


class Undecodable(Exception):  # noqa: N818 - what a payload is
    """A payload that the app would lose, with the path of what it stumbles over."""


class Shapes:
    """Shapes by name; `any` is everything.

    Args:
        shapes: Name to field to type, as the data file has them.
    """

    def __init__(self, shapes: Mapping[str, Mapping[str, str]]) -> None:
        self._shapes = shapes

    def names(self) -> set[str]:
        """Every shape that there is."""
        return set(self._shapes)

    def check(self, value: Any, kind: str, path: str = "$") -> None:
        """Decode `value` as `kind`.

        Raises:
            Undecodable: If the app would fail.
            KeyError: If no shape has that name.
        """
        if "|" in kind:
            self._either(value, kind.split("|"), path)
        elif kind.startswith("["):
            self._list(value, kind[1:-1], path)
        elif kind.startswith("{"):
            self._mapping(value, kind[1:-1], path)
        elif kind.startswith("enum:"):
            if value not in kind.removeprefix("enum:").split(","):
                raise Undecodable(f"{path}: {value!r} is none of {kind}")
        elif kind.startswith("kind:"):
            self._by_kind(value, kind.removeprefix("kind:"), path)
        elif kind in _PLAIN:
            _plain(value, kind, path)
        elif kind != "any":
            self._fields(value, kind, path)

    def _either(self, value: Any, kinds: list[str], path: str) -> None:
        failures: list[str] = []
        for kind in kinds:
            try:
                self.check(value, kind, path)
            except Undecodable as failure:
                failures.append(str(failure))
            else:
                return
        raise Undecodable("; ".join(failures))

    def _list(self, value: Any, kind: str, path: str) -> None:
        if not isinstance(value, list):
            raise Undecodable(f"{path}: {value!r} is no list")
        for index, item in enumerate(value):
            self.check(item, kind, f"{path}.{index}")

    def _mapping(self, value: Any, kind: str, path: str) -> None:
        _plain(value, "object", path)
        for name, item in value.items():
            self.check(item, kind, f"{path}.{name}")

    def _by_kind(self, value: Any, name: str, path: str) -> None:
        _plain(value, "object", path)
        chosen = f"{name}.{value.get('kind')}"
        if chosen not in self._shapes:
            raise Undecodable(f"{path}.kind: {value.get('kind')!r} is unknown")
        self._fields(value, chosen, path)

    def _fields(self, value: Any, name: str, path: str) -> None:
        fields = self._shapes[name]
        _plain(value, "object", path)
        for marked, kind in fields.items():
            field = marked.removesuffix("?")
            found = value.get(field)
            if found is not None:
                self.check(found, kind, f"{path}.{field}")
            elif not marked.endswith("?"):
                said = "null" if field in value else "missing"
                raise Undecodable(f"{path}.{field}: {said}, and the app needs it")


def _plain(value: Any, kind: str, path: str) -> None:
    is_true_kind = isinstance(value, _PLAIN[kind])
    if not is_true_kind or (isinstance(value, bool) and kind != "bool"):
        raise Undecodable(f"{path}: {str(value)[:80]} is no {kind}")
