"""Functions are called by name, with arguments of the right types, and fail in one way."""

from __future__ import annotations

import msgspec
import pytest

from carapace.errors import Failed, Refused
from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.errors import GuestError
from support.capabilities import code_of


class Pair(msgspec.Struct):
    left: int
    right: str | None = None


def make(error: Exception | None = None) -> Dispatch:
    async def double(number: int, pair: Pair | None) -> list[Pair]:
        if error is not None:
            raise error
        return [Pair(2 * number), *([pair] if pair else [])]

    return Dispatch("demo", {"double": Operation(tuple[int, Pair | None], double)})


async def test_a_call_takes_and_gives_plain_values():
    assert await make()("double", [2, {"left": 1, "right": "x"}]) == [
        {"left": 4, "right": None},
        {"left": 1, "right": "x"},
    ]
    assert make().functions == {"double"}


@pytest.mark.parametrize("arguments", [[], [1], [1, None, 2], ["1", None], [1, {"left": "x"}]])
async def test_arguments_that_do_not_fit_are_refused(arguments):
    assert await code_of(make()("double", arguments)) == "invalid-argument"


async def test_an_unknown_function_is_refused():
    assert await code_of(make()("triple", [])) == "invalid-argument"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (guest_error(Code.QUOTA, "full"), "quota"),
        (Refused("no"), "refused"),
        (Failed("later"), "unavailable"),
    ],
)
async def test_expected_errors_have_their_code(error, code):
    assert await code_of(make(error)("double", [1, None])) == code


async def test_a_fault_of_ours_does_not_tell_the_plugin_what_it_was():
    with pytest.raises(GuestError) as caught:
        await make(ValueError("/etc/secret-path"))("double", [1, None])
    assert caught.value.code == "internal"
    assert "secret-path" not in caught.value.message
