"""Params of a method: decoded into its row's struct, refused in the words clients know.

The Node gateway's validator lists every problem at once (`must have required property
'x'; at root: unexpected property 'y'; at /limit: must be >= 1`). Clients show these texts,
so they are kept; the struct types are the only schema.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec

from carapace.errors import Refused
from carapace.protocol.registry import MethodRow

__all__ = ["decode_params"]

_ANY = msgspec.json.Decoder()
_NULLISH = (b"null", b"")
_RULES: tuple[tuple[str, str], ...] = (
    (r"Expected `(?:int|float)` >= (-?[\d.]+)", r"must be >= \1"),
    (r"Expected `(?:int|float)` <= (-?[\d.]+)", r"must be <= \1"),
    (r"Expected `(?:int|float)` > (-?[\d.]+)", r"must be > \1"),
    (r"Expected `str` of length >= (\d+)", r"must NOT have fewer than \1 characters"),
    (r"Expected `str` of length <= (\d+)", r"must NOT have more than \1 characters"),
    (r"Expected `array` of length >= (\d+)", r"must NOT have fewer than \1 items"),
    (r"Expected `array` of length <= (\d+)", r"must NOT have more than \1 items"),
    (r"Invalid enum value .*", "must be equal to constant; must match a schema in anyOf"),
    (r"Invalid value .*", "must be equal to constant"),
    (r"Object missing required field `(\w+)`", r"must have required property '\1'"),
    (r"Object contains unknown field `([^`]*)`", r"unexpected property '\1'"),
    (r"Expected `str(?: \| null)?`, got.*", "must be string"),
    (r"Expected `int(?: \| null)?`, got.*", "must be integer"),
    (r"Expected `bool(?: \| null)?`, got.*", "must be boolean"),
    (r"Expected `object(?: \| null)?`, got.*", "must be object"),
    (r"Expected `array(?: \| null)?`, got.*", "must be array"),
)


@cache
def _decoder(struct: type[msgspec.Struct]) -> msgspec.json.Decoder[msgspec.Struct]:
    return msgspec.json.Decoder(struct)


def decode_params(row: MethodRow, raw: msgspec.Raw) -> Any:
    """The params of a call as `row.params`, or None where the row takes none.

    A missing, null or string value counts as `{}` (the Node gateway does so too).

    Raises:
        Refused: `invalid <method> params: ...` with every problem found.
    """
    if row.params is None:
        return None
    data = bytes(raw)
    if data in _NULLISH or data[:1] == b'"':
        data = b"{}"
    try:
        return _decoder(row.params).decode(data)
    except msgspec.ValidationError as error:
        if row.lenient:
            return _decoder(row.params).decode(b"{}")
        raise Refused(f"invalid {row.name} params: {_explain(row.params, data, error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The frame was read without looking into its strings: one of them is no Unicode text.
        raise Refused(f"invalid {row.name} params: must be valid UTF-8 text") from None


def _explain(struct: type[msgspec.Struct], data: bytes, error: msgspec.ValidationError) -> str:
    given: Any = _ANY.decode(data)
    if not isinstance(given, dict):
        return "must be object"
    fields = msgspec.structs.fields(struct)
    known = {field.encode_name for field in fields}
    problems = [
        f"must have required property '{field.encode_name}'"
        for field in fields
        if field.required and field.encode_name not in given
    ]
    names: list[str] = [str(name) for name in given]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    problems += [f"at root: unexpected property '{name}'" for name in names if name not in known]
    return "; ".join(problems) or _translate(str(error))


def _translate(text: str) -> str:
    """One msgspec message in the validator's words, with its path as a JSON pointer."""
    message, _, where = text.partition(" - at `$")
    path = re.sub(r"\[(\d+|\.\.\.)\]", r".\1", where.rstrip("`")).replace(".", "/")
    for pattern, words in _RULES:
        found = re.match(pattern, message)
        if found:
            message = found.expand(words)
            break
    prefix = f"at {path}: " if path else ("at root: " if "property" not in message else "")
    return prefix + message
