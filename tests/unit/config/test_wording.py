from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import pytest
from msgspec import Meta

from carapace.config.settings.agents import Budget
from carapace.config.settings.setting import Name, Port, PositiveInt
from carapace.config.wording import choices, describe, describe_value


class Fruit(StrEnum):
    APPLE = "apple"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (str, "text"),
        (bool | None, "true or false"),
        (Port, "a whole number from 1 to 65535"),
        (PositiveInt, "a whole number of at least 1"),
        (Annotated[int, Meta(ge=512, le=1_048_576)], "a whole number from 512 to 1048576"),
        (Annotated[float, Meta(gt=0)], "a number above 0"),
        (Name, "text of 1 to 256 characters"),
        (Annotated[str, Meta(pattern="^a$")], "text matching `^a$`"),
        (Literal["a", "b"] | None, 'one of "a", "b"'),
        (Fruit, 'one of "apple"'),
        (tuple[str, ...], "a list, each text"),
        (dict[str, str], "an object, each value text"),
        (Budget, "an object"),
        (int | str, "a whole number or text"),
    ],
)
def test_types_are_put_in_words(annotation, words):
    assert describe(annotation) == words


def test_only_listed_texts_are_choices():
    assert choices(str) == ()
    assert choices(int | str) == ()


@pytest.mark.parametrize(
    ("value", "words"), [({}, "an object"), ([], "a list"), (5, "5"), (None, "null"), ("a", '"a"')]
)
def test_values_are_put_in_words(value, words):
    assert describe_value(value) == words


def test_a_long_value_is_cut():
    assert len(describe_value("x" * 500)) == 40
