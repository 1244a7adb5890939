"""Values of each type go through a real guest to the gateway and back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from wasmtime import component as wc

from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.frames import Answer, WorkerLimits
from carapace.plugins.worker.engine import InvalidComponent, compile_component, new_engine
from carapace.plugins.worker.interfaces import exports_of
from carapace.plugins.worker.values import Budget, Signature, lift_of, lower_of
from support.guests import HAZARDS, compiled, mirror_wat, wasm
from support.local_guest import LocalGuest

NUMBERS = list(range(17))
ERROR = [
    (
        "error",
        '(record (field "code" string) (field "retry-after-ms" (option u32)))',
    )
]

CASES: list[tuple[str, list[tuple[str, str]], list[Any]]] = [
    ("bool", [], [True, False]),
    ("u8", [], [0, 255]),
    ("s8", [], [-128, 127]),
    ("u16", [], [0, 65535]),
    ("s16", [], [-32768, 32767]),
    ("u32", [], [0, 2**32 - 1]),
    ("s32", [], [-(2**31), 2**31 - 1]),
    ("u64", [], [0, 2**64 - 1]),
    ("s64", [], [-(2**63), 2**63 - 1]),
    ("f32", [], [0.5, -1.0, 3]),
    ("f64", [], [0.1, 1.7e308, 1763860000000, -0.0]),
    ("char", [], ["a", "ü", "🦀", "\x00"]),
    ("string", [], ["", "grüße 🦀", "\x00\x01", "x" * 70_000]),
    ("(list u8)", [], [[], [0, 1, 255], list(range(256)) * 20]),
    ("(list string)", [], [[], ["", "a"]]),
    ("(list (tuple u8 string))", [], [[[1, "a"], [2, "b"]]]),
    ("(option u32)", [], [None, 0, 7]),
    ("(option string)", [], [None, "", "x"]),
    ("(list (option u32))", [], [[None, 1, None]]),
    ("(result)", [], [{"ok": None}, {"err": None}]),
    ("(result u32)", [], [{"ok": 1}, {"err": None}]),
    ("(result (error string))", [], [{"ok": None}, {"err": "e"}]),
    ("(result string (error string))", [], [{"ok": "a"}, {"err": "a"}]),
    (
        "(result (option u32) (error $error) )",
        ERROR,
        [
            {"ok": None},
            {"ok": 5},
            {"err": {"code": "NO", "retry_after_ms": None}},
            {"err": {"code": "NO", "retry_after_ms": 7}},
        ],
    ),
    ("$error", ERROR, [{"code": "", "retry_after_ms": 1}]),
    ("(list $e )", [("e", '(enum "one" "kebab-case" "three")')], [["kebab-case", "one"], []]),
    ("$f", [("f", '(flags "a" "b-c" "d")')], [[], ["a"], ["a", "b-c", "d"]]),
    (
        "$v",
        [("v", '(variant (case "empty") (case "text" string) (case "base64" string))')],
        [
            {"tag": "empty", "value": None},
            {"tag": "text", "value": "t"},
            {"tag": "base64", "value": "t"},
        ],
    ),
    (
        "$v",
        [("v", '(variant (case "number" u32) (case "nothing") (case "maybe" (option u8)))')],
        [
            {"tag": "number", "value": 3},
            {"tag": "nothing", "value": None},
            {"tag": "maybe", "value": None},
            {"tag": "maybe", "value": 4},
        ],
    ),
]


def mirror(expression: str, named: list[tuple[str, str]], **options: Any) -> LocalGuest:
    return LocalGuest(
        compiled(mirror_wat(expression, named)), grants=("mirror",), exports=("echo",), **options
    )


@pytest.mark.parametrize(("expression", "named", "values"), CASES)
def test_a_value_survives_the_way_in_out_back_and_out(expression, named, values):
    asked: list[Any] = []

    def answer(_interface: str, _function: str, arguments: list[Any]) -> Answer:
        asked.append(arguments[0])
        return Answer(0, ok=arguments[0])

    guest = mirror(expression, named, answer=answer)
    for value in values:
        back = guest.call("echo", "give", [value, *NUMBERS])
        assert back == [value, *NUMBERS] == asked[-1]


WRONG: list[tuple[str, list[tuple[str, str]], list[Any]]] = [
    ("bool", [], [1, None, "true"]),
    ("u8", [], [-1, 256, True, 1.0, "1", None]),
    ("s64", [], [2**63]),
    ("f32", [], [1e300, "1", True, None]),
    ("f64", [], ["1", None, True]),
    ("char", [], ["", "ab", 5]),
    ("string", [], [5, None, "\ud800"]),
    ("(list u8)", [], ["abc", [256], [None]]),
    ("(tuple u8 u8)", [], [[1], [1, 2, 3], 5]),
    ("(option u32)", [], ["x"]),
    ("(result u32)", [], [{}, {"ok": 1, "err": None}, {"fine": 1}, 5, {"err": 1}]),
    ("$error", ERROR, [{}, {"code": "x", "more": 1}, []]),
    ("(list $e )", [("e", '(enum "one")')], [["two"], [1]]),
    ("$f", [("f", '(flags "a")')], [["b"], "a", [["a"]]]),
    (
        "$v",
        [("v", '(variant (case "a") (case "b" u8))')],
        [{"tag": "c"}, {"value": 1}, "a", {"tag": "a", "value": 1}, {"tag": "a", "x": 1}],
    ),
]


@pytest.mark.parametrize(("expression", "named", "values"), WRONG)
def test_a_value_that_does_not_fit_is_refused_before_the_guest_sees_it(expression, named, values):
    guest = mirror(expression, named)
    for value in values:
        with pytest.raises(GuestError) as caught:
            guest.call("echo", "give", [value, *NUMBERS])
        assert caught.value.code == "INVALID_ARGUMENTS"


def test_what_is_missing_in_a_record_is_none():
    guest = mirror("$error", ERROR, answer=lambda _i, _f, given: Answer(0, ok=given[0]))
    assert guest.call("echo", "give", [{"code": "x"}, *NUMBERS])[0] == {
        "code": "x",
        "retry_after_ms": None,
    }


def test_a_number_that_json_cannot_carry_ends_the_guest():
    take = lift_of(_kind("f64"))
    for number in (math.inf, math.nan):
        with pytest.raises(GuestTrap, match="not finite"):
            take(number, Budget(100))
    with pytest.raises(ValueError, match="cannot be given"):
        lower_of(_kind("f64"))(math.inf)


def test_one_budget_covers_all_that_a_guest_hands_over():
    guest = mirror("(list string)", [], limits=WorkerLimits(value_bytes=1000))
    with pytest.raises(GuestTrap) as caught:
        guest.call("echo", "give", [["x" * 100] * 20, *NUMBERS])
    assert caught.value.kind == "size"


def test_one_string_over_the_budget_is_never_made():
    guest = mirror("string", [], limits=WorkerLimits(value_bytes=1000))
    with pytest.raises(GuestTrap, match="a text of 2000 bytes") as caught:
        guest.call("echo", "give", ["x" * 2000, *NUMBERS])
    assert caught.value.kind == "size"


def test_a_list_of_bytes_over_the_budget_is_never_made():
    guest = mirror("(list u8)", [], limits=WorkerLimits(value_bytes=1000))
    with pytest.raises(GuestTrap, match="a list of 2000 bytes"):
        guest.call("echo", "give", [[1] * 2000, *NUMBERS])


def test_a_handle_of_a_resource_cannot_cross():
    engine = new_engine()
    component = compile_component(
        engine,
        wasm(
            """(component (import "carapace:plugin/x@1.0.0" (instance $x
              (export "r" (type $r (sub resource))) (export "f" (func (param "p" (own $r)))))))"""
        ),
    )
    (extern,) = component.type.imports(engine).values()
    whole: Any = extern.ty
    function = whole.exports(engine)["f"].ty
    with pytest.raises(InvalidComponent, match="OwnType"):
        Signature(function)
    with pytest.raises(InvalidComponent, match="OwnType"):
        lower_of(function.params[0][1])


def signature(wat: str, interface: str, name: str) -> Signature:
    """Of an exported function."""
    engine = new_engine()
    return exports_of(engine, compile_component(engine, wasm(wat)), ())[interface].functions[name]


def test_a_result_is_its_value_or_raises_its_error():
    invoke = signature(HAZARDS["echo"], "tool", "invoke")
    assert invoke.has_result
    assert invoke.lift_result(wc.Variant("ok", "fine"), Budget(100)) == "fine"
    assert invoke.lower_result("fine") == wc.Variant("ok", "fine")
    lowered = invoke.lower_error(GuestError("BUSY", "later", retryable=True, retry_after_ms=7))
    assert lowered.tag == "err"
    with pytest.raises(GuestError) as caught:
        invoke.lift_result(lowered, Budget(1000))
    error = caught.value
    assert (error.code, error.message, error.retryable) == ("BUSY", "later", True)
    assert error.retry_after_ms == 7


def test_an_error_without_the_contracts_fields_is_told_as_text():
    texts = """(component (core module $m (memory (export "m") 1)
        (func (export "f") (result i32) (i32.const 0)))
      (core instance $i (instantiate $m))
      (func $f (result (result (error string)))
        (canon lift (core func $i "f") (memory (core memory $i "m"))))
      (instance $x (export "f" (func $f)))
      (export "carapace:plugin/x@1.0.0" (instance $x)))"""
    told = signature(texts, "x", "f")
    with pytest.raises(GuestError, match="sorry") as caught:
        told.lift_result(wc.Variant("err", "sorry"), Budget(100))
    assert caught.value.code == "ERROR"
    assert told.lift_result(wc.Variant("ok"), Budget(100)) is None
    with pytest.raises(TypeError):
        told.lower_error(GuestError("BUSY", "later"))


def test_a_function_that_cannot_fail_has_no_place_for_an_error():
    give = signature(mirror_wat("u8"), "echo", "give")
    assert not give.has_result
    with pytest.raises(ValueError, match="no way to fail"):
        give.lower_error(GuestError("BUSY", "later"))
    with pytest.raises(ValueError, match="1 arguments, not 2"):
        give.lower_arguments([1, 2])


def _kind(expression: str) -> Any:
    engine = new_engine()
    component = compile_component(engine, wasm(mirror_wat(expression)))
    (extern,) = component.type.exports(engine).values()
    whole: Any = extern.ty
    return whole.exports(engine)["give"].ty.params[0][1].elements[0]
