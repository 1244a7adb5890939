"""A text that does not show itself in logs, tracebacks or dumps."""

from __future__ import annotations

from typing import final

__all__ = ["Secret"]


@final
class Secret:
    """Wraps a secret so that printing, formatting and `repr` give a placeholder.

    It has no equality on purpose: compare digests in constant time instead. It does not
    pickle or copy into JSON.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself; call it where it is used, and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return format("***", format_spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Secret is never pickled or copied")

    __eq__ = object.__eq__
    __hash__ = object.__hash__
