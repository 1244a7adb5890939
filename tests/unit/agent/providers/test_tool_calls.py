"""Tool calls are put together from pieces, within bounds."""

from __future__ import annotations

import pytest

from carapace.agent.providers.ports import ProviderError, ToolCall
from carapace.agent.providers.tool_calls import ToolCallPieces, arguments_object


def test_pieces_of_several_calls_are_sorted_by_index() -> None:
    calls = ToolCallPieces()
    calls.add(0, call_id="a", name="first", arguments='{"x"')
    calls.add(1, call_id="b", name="second")
    calls.add(0, arguments=":1}")
    assert list(calls.whole()) == [
        ToolCall("a", "first", '{"x":1}'),
        ToolCall("b", "second", "{}"),
    ]
    assert len(calls) == 2


def test_a_call_without_an_id_gets_a_fresh_one() -> None:
    calls = ToolCallPieces()
    calls.add(0, name="x")
    calls.add(1, name="y")
    first, second = calls.whole()
    assert first.id.startswith("call_")
    assert first.id != second.id


def test_too_many_calls_are_refused() -> None:
    calls = ToolCallPieces()
    with pytest.raises(ProviderError):  # noqa: PT012 - which call goes too far is the limit's business
        for index in range(200):
            calls.add(index, name="x")


def test_endless_arguments_are_refused() -> None:
    calls = ToolCallPieces()
    with pytest.raises(ProviderError):  # noqa: PT012 - which call goes too far is the limit's business
        for _ in range(3):
            calls.add(0, arguments="x" * 600_000)


@pytest.mark.parametrize(
    ("text", "value"), [('{"a":1}', {"a": 1}), ("[1]", {}), ('{"a":', {}), ("", {})]
)
def test_past_arguments_become_an_object(text: str, value: dict[str, object]) -> None:
    assert arguments_object(text) == value
