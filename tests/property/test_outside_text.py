"""Whatever a page says, its fence closes where the gateway closed it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.agent.understanding.fence import OutsideText, cleaned, fenced
from carapace.agent.understanding.links import find_links
from carapace.agent.understanding.page_text import PageText

MARKS = [f"{number:032x}" for number in range(64)]
# Text made of what an attacker would use: pieces of fences, and every mark but the last few.
HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(["[outside ", "[/outside ", "[spoken ", "[/spoken ", "]", "\n", "\n\n"]),
        st.sampled_from(MARKS[:60]),
    ),
    max_size=12,
).map("".join)


def marks() -> Iterator[str]:
    yield from MARKS


@pytest.mark.slow
@given(st.lists(st.tuples(HOSTILE, HOSTILE, st.booleans()), min_size=1, max_size=4))
def test_outside_text_never_closes_its_fence(texts: list[tuple[str, str, bool]]):
    ready = [
        OutsideText("page", name, cleaned(text, 10_000), is_message=is_message)
        for name, text, is_message in texts
    ]
    source = marks()
    told = fenced(ready, lambda: next(source))
    mark = told.rsplit(" ", 1)[1].rstrip("]")
    assert mark in MARKS
    lines = told.split("\n")
    opened = [line for line in lines if line.startswith((f"[outside {mark}]", f"[spoken {mark}]"))]
    closed = [line for line in lines if line in (f"[/outside {mark}]", f"[/spoken {mark}]")]
    assert len(opened) == len(closed) == len(ready)
    # The mark stands in our own lines alone: two for each text and two in each explanation.
    heads = len({one.voice for one in ready})
    assert told.count(mark) == 2 * len(ready) + 2 * heads
    for one in ready:
        assert one.text in told


@given(st.text(max_size=300), st.integers(min_value=50, max_value=200))
def test_cleaned_text_is_bounded_printable_and_stays_as_it_is(text: str, max_chars: int):
    told = cleaned(text, max_chars)
    assert len(told) <= max_chars
    assert not any(ord(char) < 32 and char not in "\n\t" for char in told)
    told.encode()
    assert cleaned(told, max_chars) == told


@given(st.text(alphabet="<>/!-=\"' abdhinpstvy&;#x0", max_size=300))
def test_any_markup_is_read_without_an_error_and_within_its_bound(markup: str):
    page = PageText(50)
    page.feed(markup)
    page.close()
    assert len(page.text) <= 50


@given(st.text(max_size=200), st.integers(min_value=1, max_value=5))
def test_links_are_found_in_any_text_and_stand_in_it(text: str, limit: int):
    told = f"{text} https://example.com/a {text}"
    links = find_links(told, limit)
    assert len(links) <= limit
    assert all(link in told for link in links)
    assert len(set(links)) == len(links)
