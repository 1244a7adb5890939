"""However a text is cut: nothing is lost, nothing is too long, code blocks stay closed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.channels.text.chunk import measure, pieces, split
from carapace.channels.text.fences import find_fences
from carapace.channels.types import LengthUnit

_CODE = st.text(st.sampled_from("ab =()\n\t🙂é"), max_size=60)
_FENCE = st.builds(
    lambda marks, info, indent, code: (
        f"\n{indent}{marks}{info}\n{code.replace('`', '').replace('~', '')}\n{indent}{marks}\n"
    ),
    st.sampled_from(["```", "````", "~~~"]),
    st.sampled_from(["", "py", "c++ x"]),
    st.sampled_from(["", "  ", "    "]),
    _CODE,
)
_PROSE = st.text(st.sampled_from("abc .!?\n\n  …。🙂🇩🇪👩\u200d👩e\u0301漢"), max_size=80)
MARKDOWN = st.lists(st.one_of(_PROSE, _FENCE), max_size=8).map("".join)
ANYTHING = st.one_of(MARKDOWN, st.text(max_size=200), st.text("`~\n ab", max_size=120))
UNITS = st.sampled_from(list(LengthUnit))
MODES = st.sampled_from(["length", "newline"])


@given(ANYTHING, st.integers(4, 80), UNITS, MODES)
def test_no_piece_is_longer_than_the_limit(text, limit, unit, mode):
    assert all(measure(one, unit) <= limit for one in split(text, limit, unit, mode))


@given(ANYTHING, st.integers(4, 80), UNITS, MODES)
def test_between_pieces_falls_nothing_but_white_space_and_closing_lines(text, limit, unit, mode):
    closing = {place for fence in find_fences(text) for place in range(fence.body_end, fence.end)}
    position = 0
    for piece in pieces(text, limit, unit, mode):
        assert piece.start >= position
        gap = range(position, piece.start)
        assert all(text[place].isspace() or place in closing for place in gap)
        position = piece.end
    rest = range(position, len(text))
    assert all(text[place].isspace() or place in closing for place in rest)


@given(MARKDOWN, st.integers(48, 120), UNITS, MODES)
def test_every_code_block_is_closed_in_each_piece_if_it_was_in_the_text(text, limit, unit, mode):
    if all(fence.is_closed for fence in find_fences(text)):
        for one in split(text, limit, unit, mode):
            assert all(fence.is_closed for fence in find_fences(one)), one


@given(MARKDOWN, st.integers(48, 120))
def test_no_message_is_blank(text, limit):
    assert all(one.strip() for one in split(text, limit, LengthUnit.CHARACTERS))


@given(st.text(max_size=400), st.integers(4, 4000))
def test_what_fits_is_left_as_it_is(text, limit):
    if text.strip() and len(text) <= limit:
        assert split(text, limit, LengthUnit.CHARACTERS) == [text]


@given(st.integers(-5, 3))
def test_a_limit_too_small_for_a_character_is_an_error(limit):
    with pytest.raises(ValueError, match="cannot hold"):
        split("x", limit, LengthUnit.CHARACTERS)
