from __future__ import annotations

import pytest

from carapace.config.editor import EditError
from carapace.config.json5 import parse
from carapace.config.merge_patch import merge_patch
from carapace.config.patch_text import patch_text, patched_keys

COMMENTED = """{
  // where it listens
  gateway: {
    port: 5, // usual
    auth: { token: "a", mode: "token" },
  },
  list: [1, 2],
}
"""


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"gateway": {"port": 6}},
        {"gateway": {"auth": {"token": None}}},
        {"gateway": None},
        {"nothing": None, "gateway": {"there": {"is": None}}},
        {"list": [3]},
        {"list": {"a": 1, "b": None}},
        {"new": {"deep": {"a": 1, "b": None}}},
        {"gateway": {"port": {"a": "an object over a number"}}},
        {"gateway": 3},
        {"empty": {}},
        {"a.b": {"c d": "names that need quotes"}},
    ],
)
def test_the_text_says_what_the_merged_value_is(patch):
    before = parse(COMMENTED).plain()
    assert parse(patch_text(COMMENTED, patch)).plain() == merge_patch(before, patch)


def test_what_is_not_named_stays_as_it_was_written():
    new = patch_text(COMMENTED, {"gateway": {"port": 6, "auth": {"mode": None}}})
    assert new == COMMENTED.replace("5", "6").replace(', mode: "token"', " ")
    assert patch_text(COMMENTED, {}) == COMMENTED


@pytest.mark.parametrize("blank", ["", " \n"])
def test_blank_text_is_an_empty_object(blank):
    assert parse(patch_text(blank, {"a": {"b": 1}})).plain() == {"a": {"b": 1}}


def test_a_text_that_is_no_object_cannot_be_patched():
    with pytest.raises(EditError, match="does not hold an object"):
        patch_text("[1]", {"a": 1})


def test_keys_of_a_patch_are_those_it_sets_or_removes():
    found = list(patched_keys({"a": {"b": None, "c": {}}, "d": [1]}))
    assert found == [(("a", "b"), None), (("a", "c"), {}), (("d",), [1])]
