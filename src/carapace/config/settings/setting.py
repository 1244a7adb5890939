"""How one setting is described: meaning, bounds, secrecy, and when a change takes effect."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

__all__ = ["OTHERS_MARK", "Count", "Name", "Port", "PositiveInt", "Section", "setting"]

OTHERS_MARK: Final = "x-others"
"""In a JSON Schema: what is below stands for names that are not listed."""
_MAX_SAFE_INT = 2**53 - 1

PositiveInt = Annotated[int, msgspec.Meta(ge=1, le=_MAX_SAFE_INT)]
Count = Annotated[int, msgspec.Meta(ge=0, le=_MAX_SAFE_INT)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Section(msgspec.Struct, frozen=True, rename="camel"):
    """A group of settings: an object in the file, a frozen struct in the program."""


def setting(
    meaning: str,
    *,
    live: bool = False,
    secret: bool = False,
    others: bool = False,
    program: bool = False,
) -> msgspec.Meta:
    """The description of one field.

    Args:
        meaning: For the reference page and `explain`: what it does, in one or two sentences.
        live: A change takes effect at once; otherwise after a restart.
        secret: Never shown: reads give a marker instead.
        others: The field is no key of the file: it holds what its section does not name.
        program: It says which program of this machine runs, so it is written on this machine
            alone and by no client (advisory C29).
    """
    extra: dict[str, Any] = {"live": live, "secret": secret}
    if program:
        extra["program"] = True
    if not others:
        return msgspec.Meta(description=meaning, extra=extra)
    mark = {OTHERS_MARK: True}
    return msgspec.Meta(
        description=meaning, extra={**extra, "others": True}, extra_json_schema=mark
    )
