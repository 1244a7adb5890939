"""Words for thinking, as people write them."""

from __future__ import annotations

import pytest

from carapace.agent.providers.ports import ThinkingLevel
from carapace.errors import Refused
from carapace.methods.thinking import level_of


@pytest.mark.parametrize("level", ThinkingLevel)
def test_each_level_is_named_by_its_own_word(level: ThinkingLevel):
    assert level_of(f" {level.value.upper()} ") is level


def test_short_forms_mean_levels():
    assert level_of("on") is ThinkingLevel.LOW
    assert level_of("mid") is ThinkingLevel.MEDIUM
    assert level_of("max") is ThinkingLevel.HIGH


@pytest.mark.parametrize("word", [None, "", "  "])
def test_no_word_leaves_it_to_session_and_agent(word: str | None):
    assert level_of(word) is None


def test_an_unknown_word_is_refused_with_those_that_are_known():
    with pytest.raises(Refused, match=r"use one of off\|minimal"):
        level_of("hard")
