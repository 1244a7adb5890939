from __future__ import annotations

import pytest

from carapace.agent.providers.ports import ThinkingLevel
from carapace.errors import Refused
from carapace.methods.thinking import level_of


@pytest.mark.parametrize("word", [None, "", "  "])
def test_no_word_leaves_the_choice_to_session_and_agent(word: str | None) -> None:
    assert level_of(word) is None


@pytest.mark.parametrize("level", list(ThinkingLevel))
def test_every_level_is_known_by_its_own_name_in_any_case(level: ThinkingLevel) -> None:
    assert level_of(f" {level.value.upper()} ") is level


@pytest.mark.parametrize(("word", "level"), [("on", "low"), ("max", "high"), ("think", "minimal")])
def test_words_people_type_are_taken(word: str, level: str) -> None:
    assert level_of(word) == ThinkingLevel(level)


def test_an_unknown_word_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refused, match=r"use one of off\|minimal\|low\|medium\|high\|xhigh"):
        level_of("enormous")
