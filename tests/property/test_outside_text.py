"""Whatever a page says, its fence closes where the gateway closed it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carapace.agent.providers.ports import TextPart
from carapace.agent.understanding.fence import OutsideText, cleaned, fenced
from carapace.agent.understanding.links import find_links
from carapace.agent.understanding.page_text import PageText
from carapace.agent.understanding.side_question import SideQuestions
from carapace.agent.understanding.summarise import Summariser
from carapace.clock import SystemClock
from carapace.config.settings.understanding import LinkReading
from carapace.telemetry.metrics import Metrics
from support.database import memory_database
from support.scripted_provider import ScriptedProvider, say
from support.understanding import SeeingModels, asker, charges, target

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


def between(text: str) -> tuple[str, str]:
    """What stands before the one fence of `text`, and in it."""
    mark = text.rsplit(" ", 1)[1].rstrip("]")
    before, _, rest = text.partition(f"\n\n[outside {mark}] ")
    inside, closing, after = rest.rpartition(f"\n[/outside {mark}]")
    assert closing
    assert after == ""
    assert mark not in inside
    return before, inside


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE, HOSTILE, HOSTILE)
async def test_neither_a_page_nor_its_summary_leaves_its_fence(
    tmp_path: Path, page: str, said: str, url: str
):
    """Whatever the page says, and whatever it makes the model that summarises it say."""
    provider = ScriptedProvider(say(said))
    async with memory_database() as database:
        questions = SideQuestions(charges(tmp_path, database), SystemClock())
        models = SeeingModels([target(provider)])
        summariser = Summariser(models, questions, Metrics("0", with_process=False))
        text = OutsideText("page", url, cleaned(page, 10_000))
        limits = LinkReading(summary_above_chars=0)
        short = await summariser.shortened(text, limits, asker(), about="")
    told, inside = between(fenced((short.text,)))
    assert told.startswith("The gateway read")
    assert inside.startswith("page")
    summary = cleaned(said, 2_000)
    if provider.requests:
        assert short.text.text == (summary or text.text)
        (part,) = provider.requests[0].messages[0].parts
        assert isinstance(part, TextPart)
        assert between(part.text)[1].endswith(text.text)
    else:
        assert text.text == ""
        assert short.text == text
