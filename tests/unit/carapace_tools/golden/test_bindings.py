"""Values that are spoken of again."""

from __future__ import annotations

from typing import Any

import pytest

from carapace_tools.golden.bindings import Bindings, at


def test_what_is_sent_has_todays_values_and_what_is_heard_the_recorded_ones() -> None:
    bindings = Bindings()
    bindings.bind("old-id", "new-id")
    recorded: Any = {"params": {"id": "old-id", "of": ["old-id", 3, None]}, "x": "old-id-more"}
    today: Any = {"params": {"id": "new-id", "of": ["new-id", 3, None]}, "x": "old-id-more"}
    assert bindings.to_send(recorded) == today
    assert bindings.as_recorded(today) == recorded


def test_the_last_binding_counts() -> None:
    bindings = Bindings()
    bindings.bind("a", "one")
    bindings.bind("a", "two")
    assert bindings.to_send("a") == "two"


def test_a_path_leads_through_names_and_positions() -> None:
    assert at({"responses": [{"payload": {"id": "x"}}]}, "responses.0.payload.id") == "x"


@pytest.mark.parametrize("path", ["responses.1.id", "nothing", "responses.0.id.deeper"])
def test_a_path_that_leads_nowhere_is_an_error(path: str) -> None:
    with pytest.raises(LookupError):
        at({"responses": [{"id": "x"}]}, path)
