"""Values between a component and JSON, directed by their types.

Conversions are built once for each function's type and used for every call; how JSON looks is in
`carapace.plugins.frames`. An option inside an option cannot be told from an empty one; the
contract has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, cast

from wasmtime import component as wc

from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.worker.engine import InvalidComponent
from carapace.plugins.worker.quirks import ITEM_BYTES

__all__ = ["Budget", "Lift", "Lower", "Signature", "lift_of", "lower_of"]

_INTEGERS: Final[dict[type, tuple[int, int]]] = {
    wc.U8: (0, 2**8 - 1),
    wc.U16: (0, 2**16 - 1),
    wc.U32: (0, 2**32 - 1),
    wc.U64: (0, 2**64 - 1),
    wc.S8: (-(2**7), 2**7 - 1),
    wc.S16: (-(2**15), 2**15 - 1),
    wc.S32: (-(2**31), 2**31 - 1),
    wc.S64: (-(2**63), 2**63 - 1),
}
_MAX_F32: Final = 3.4028234663852886e38


class Budget:
    """How much more a guest may hand over in one go."""

    __slots__ = ("_left",)

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    def take(self, size: int) -> None:
        """Count a value.

        Raises:
            GuestTrap: `size`, if it is one too many.
        """
        self._left -= size
        if self._left < 0:
            raise GuestTrap("size", "it handed over more than a call may carry")


Lift = Callable[[Any, Budget], Any]
"""From the library's value to JSON's."""
Lower = Callable[[Any], Any]
"""From JSON's value to the library's; raises ValueError or TypeError if it does not fit."""


class Signature:
    """How one function takes and gives its values.

    Attributes:
        has_result: Whether it says by its type how it can fail.
    """

    __slots__ = ("_err", "_lift_parameters", "_lower_parameters", "_result", "has_result")

    def __init__(self, of: wc.FuncType) -> None:
        types = [kind for _, kind in of.params]
        self._lift_parameters = [lift_of(one) for one in types]
        self._lower_parameters = [lower_of(one) for one in types]
        result = of.result
        self.has_result = isinstance(result, wc.ResultType)
        self._err: tuple[Lift, Lower] | None = None
        ok = result
        if isinstance(result, wc.ResultType):
            ok, err = result.ok, result.err
            self._err = (lift_of(err), lower_of(err))
        self._result = (lift_of(ok), lower_of(ok))

    def lift_arguments(self, arguments: tuple[Any, ...], budget: Budget) -> list[Any]:
        """What a guest gave to a function of ours."""
        return [
            lift(one, budget) for lift, one in zip(self._lift_parameters, arguments, strict=True)
        ]

    def lower_arguments(self, arguments: list[Any]) -> list[Any]:
        """What we give to a function of the guest.

        Raises:
            ValueError: If they do not fit.
            TypeError: Likewise.
        """
        if len(arguments) != len(self._lower_parameters):
            raise ValueError(f"{len(self._lower_parameters)} arguments, not {len(arguments)}")
        return [lower(one) for lower, one in zip(self._lower_parameters, arguments, strict=True)]

    def lift_result(self, value: Any, budget: Budget) -> Any:
        """What a function of the guest gave.

        Raises:
            GuestError: If that is its error.
        """
        if self._err is None:
            return self._result[0](value, budget)
        if value.tag == "ok":
            return self._result[0](value.payload, budget)
        raise _guest_error(self._err[0](value.payload, budget))

    def lower_result(self, value: Any) -> Any:
        """What a function of ours gives.

        Raises:
            ValueError: If it does not fit.
            TypeError: Likewise.
        """
        lowered = self._result[1](value)
        return lowered if self._err is None else wc.Variant("ok", lowered)

    def lower_error(self, error: GuestError) -> Any:
        """How a function of ours fails.

        Raises:
            ValueError: If its type has no such way.
            TypeError: Likewise.
        """
        if self._err is None:
            raise ValueError("the function has no way to fail")
        fields = {
            "code": error.code,
            "message": error.message,
            "retryable": bool(error.retryable),
            "retry_after_ms": error.retry_after_ms,
        }
        return wc.Variant("err", self._err[1](fields))


def _guest_error(fields: Any) -> GuestError:
    """An error record as an exception; any other error type as its text."""
    if not isinstance(fields, dict) or not {"code", "message"} <= set(cast("Any", fields)):
        return GuestError("ERROR", "" if fields is None else str(cast("Any", fields)))
    known = cast("dict[str, Any]", fields)
    after = known.get("retry_after_ms")
    return GuestError(
        str(known["code"]),
        str(known["message"]),
        retryable=bool(known.get("retryable")),
        retry_after_ms=after if isinstance(after, int) else None,
    )


def lift_of(kind: wc.ValType | None) -> Lift:  # noqa: C901, PLR0911 - one line for each type there is
    """How values of this type become JSON; none is a function without a result.

    Raises:
        InvalidComponent: If the type cannot cross.
    """
    if kind is None:
        return _nothing
    if isinstance(kind, wc.Bool) or type(kind) in _INTEGERS:
        return _counted
    if isinstance(kind, wc.F32 | wc.F64):
        return _lift_float
    if isinstance(kind, wc.String | wc.Char | wc.EnumType):
        return _lift_text
    if isinstance(kind, wc.FlagsType):
        names = kind.names
        return lambda value, _: [name for name in names if name in value]
    if isinstance(kind, wc.ListType):
        return _lift_list(lift_of(kind.element))
    if isinstance(kind, wc.TupleType):
        return _lift_tuple([lift_of(one) for one in kind.elements])
    if isinstance(kind, wc.RecordType):
        return _lift_record([(name, _snake(name), lift_of(one)) for name, one in kind.fields])
    if isinstance(kind, wc.OptionType):
        return _lift_option(lift_of(kind.payload))
    if isinstance(kind, wc.ResultType):
        return _lift_result(lift_of(kind.ok), lift_of(kind.err))
    if isinstance(kind, wc.VariantType):
        return _lift_variant({name: lift_of(one) for name, one in kind.cases})
    raise _unknown(kind)


def _unknown(kind: wc.ValType) -> InvalidComponent:
    return InvalidComponent(f"a function uses a {type(kind).__name__}, which cannot cross")


def _snake(name: str) -> str:
    return name.replace("-", "_")


def _nothing(_value: Any, _budget: Budget) -> None:
    return None


def _counted(value: Any, budget: Budget) -> Any:
    budget.take(ITEM_BYTES)
    return value


def _lift_float(value: float, budget: Budget) -> float:
    budget.take(ITEM_BYTES)
    if not math.isfinite(value):
        raise GuestTrap("crash", "it handed over a number that is not finite")
    return value


def _lift_text(value: str, budget: Budget) -> str:
    budget.take(ITEM_BYTES + len(value))
    return value


def _lift_list(element: Lift) -> Lift:
    def lift(value: Any, budget: Budget) -> list[Any]:
        budget.take(ITEM_BYTES * (1 + len(value)))
        return [element(one, budget) for one in value]

    return lift


def _lift_tuple(elements: list[Lift]) -> Lift:
    return lambda value, budget: [
        lift(one, budget) for lift, one in zip(elements, value, strict=True)
    ]


def _lift_record(fields: list[tuple[str, str, Lift]]) -> Lift:
    return lambda value, budget: {
        key: lift(getattr(value, name), budget) for name, key, lift in fields
    }


def _lift_option(payload: Lift) -> Lift:
    return lambda value, budget: payload(value.payload, budget) if value.tag == "some" else None


def _lift_result(ok: Lift, err: Lift) -> Lift:
    def lift(value: Any, budget: Budget) -> dict[str, Any]:
        arm = ok if value.tag == "ok" else err
        return {value.tag: arm(value.payload, budget)}

    return lift


def _lift_variant(cases: dict[str, Lift]) -> Lift:
    return lambda value, budget: {
        "tag": value.tag,
        "value": cases[value.tag](value.payload, budget),
    }


def lower_of(kind: wc.ValType | None) -> Lower:  # noqa: C901, PLR0911, PLR0912 - one line for each type there is
    """How JSON becomes values of this type.

    Raises:
        InvalidComponent: If the type cannot cross.
    """
    if kind is None:
        return _lower_nothing
    if isinstance(kind, wc.Bool):
        return _lower_bool
    if type(kind) in _INTEGERS:
        return _lower_integer(*_INTEGERS[type(kind)])
    if isinstance(kind, wc.F32):
        return _lower_float(_MAX_F32)
    if isinstance(kind, wc.F64):
        return _lower_float(math.inf)
    if isinstance(kind, wc.String):
        return _lower_string
    if isinstance(kind, wc.Char):
        return _lower_char
    if isinstance(kind, wc.EnumType):
        return _lower_enum(frozenset(kind.names))
    if isinstance(kind, wc.FlagsType):
        return _lower_flags(frozenset(kind.names))
    if isinstance(kind, wc.ListType):
        is_bytes = isinstance(kind.element, wc.U8)
        return _lower_list(lower_of(kind.element), is_bytes=is_bytes)
    if isinstance(kind, wc.TupleType):
        return _lower_tuple([lower_of(one) for one in kind.elements])
    if isinstance(kind, wc.RecordType):
        return _lower_record([(name, _snake(name), lower_of(one)) for name, one in kind.fields])
    if isinstance(kind, wc.OptionType):
        return _lower_option(lower_of(kind.payload))
    if isinstance(kind, wc.ResultType):
        return _lower_result(lower_of(kind.ok), lower_of(kind.err))
    if isinstance(kind, wc.VariantType):
        return _lower_variant({name: lower_of(one) for name, one in kind.cases})
    raise _unknown(kind)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"an object, not {type(value).__name__}")
    return cast("dict[str, Any]", value)


def _sequence(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"a list, not {type(value).__name__}")
    return cast("list[Any]", value)


def _lower_nothing(value: Any) -> None:
    if value is not None:
        raise TypeError("there is nothing to give here")


def _lower_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false, not {type(value).__name__}")
    return value


def _lower_integer(least: int, most: int) -> Lower:
    def lower(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"a whole number, not {type(value).__name__}")
        if not least <= value <= most:
            raise ValueError(f"{value} is not between {least} and {most}")
        return value

    return lower


def _lower_float(most: float) -> Lower:
    def lower(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"a number, not {type(value).__name__}")
        number = float(value)
        if not math.isfinite(number) or abs(number) > most:
            raise ValueError(f"{number} cannot be given")
        return number

    return lower


def _lower_string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text, not {type(value).__name__}")
    value.encode()  # half a surrogate pair is a UnicodeEncodeError, which is a ValueError
    return value


def _lower_char(value: Any) -> str:
    text = _lower_string(value)
    if len(text) != 1:
        raise ValueError("one character")
    return text


def _lower_enum(names: frozenset[str]) -> Lower:
    def lower(value: Any) -> str:
        name = _lower_string(value)
        if name not in names:
            raise ValueError(f"{name!r} is none of {', '.join(sorted(names))}")
        return name

    return lower


def _lower_flags(names: frozenset[str]) -> Lower:
    def lower(value: Any) -> set[str]:
        given = [_lower_string(one) for one in _sequence(value)]
        if not names.issuperset(given):
            raise ValueError(f"{given} are not flags of {', '.join(sorted(names))}")
        return set(given)

    return lower


def _lower_list(element: Lower, *, is_bytes: bool) -> Lower:
    def lower(value: Any) -> list[Any] | bytes:
        lowered = [element(one) for one in _sequence(value)]
        return bytes(lowered) if is_bytes else lowered

    return lower


def _lower_tuple(elements: list[Lower]) -> Lower:
    def lower(value: Any) -> tuple[Any, ...]:
        given = _sequence(value)
        if len(given) != len(elements):
            raise ValueError(f"{len(elements)} values in a list, not {len(given)}")
        return tuple(lower_one(one) for lower_one, one in zip(elements, given, strict=True))

    return lower


def _lower_record(fields: list[tuple[str, str, Lower]]) -> Lower:
    known = {key for _, key, _ in fields}

    def lower(value: Any) -> wc.Record:
        given = _object(value)
        if unknown := set(given) - known:
            raise ValueError(f"there is no field {min(unknown)}")
        record = wc.Record()
        for name, key, one in fields:
            setattr(record, name, one(given.get(key)))  # what is missing is null: an option's none
        return record

    return lower


def _lower_option(payload: Lower) -> Lower:
    def lower(value: Any) -> wc.Variant:
        return wc.Variant("none") if value is None else wc.Variant("some", payload(value))

    return lower


def _lower_result(ok: Lower, err: Lower) -> Lower:
    def lower(value: Any) -> wc.Variant:
        given = _object(value)
        if set(given) not in ({"ok"}, {"err"}):
            raise ValueError('an object with only "ok" or only "err"')
        ((tag, inner),) = given.items()
        return wc.Variant(tag, ok(inner) if tag == "ok" else err(inner))

    return lower


def _lower_variant(cases: dict[str, Lower]) -> Lower:
    def lower(value: Any) -> wc.Variant:
        given = _object(value)
        tag = _lower_string(given.get("tag"))
        if tag not in cases or set(given) - {"tag", "value"}:
            raise ValueError(f'an object with "value" and "tag" of {", ".join(sorted(cases))}')
        return wc.Variant(tag, cases[tag](given.get("value")))

    return lower
