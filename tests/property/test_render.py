"""Whatever an agent says: no word is lost, no message is too long."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from carapace.channels.text.chunk import measure
from carapace.channels.text.markdown import to_plain
from carapace.channels.text.render import RenderSettings, render, spoken
from carapace.channels.text.tables import convert_tables
from carapace.channels.types import ChannelInfo, LengthUnit

_WORDS = st.sampled_from(["alpha", "Beta", "γάμμα", "漢字", "🙂", "4711", "snake_case"])
_INLINE = st.one_of(
    _WORDS,
    _WORDS.map("**{}**".format),
    _WORDS.map("*{}*".format),
    _WORDS.map("`{}`".format),
    _WORDS.map("[{}](https://a.example/x)".format),
    st.sampled_from(["*", "**", "`", "``", "_", "~~", "[", "](", "\\", "|", "<", ">", "#"]),
)
_LINE = st.lists(_INLINE, max_size=6).map(" ".join)
_ROW = st.lists(_WORDS, min_size=2, max_size=2).map(" | ".join)
_TABLE = st.lists(_ROW, min_size=1, max_size=4).map(
    lambda rows: "\n".join([rows[0], "---|---", *rows[1:]])
)
_CODE = _LINE.map("```py\n{}\n```".format)
MARKDOWN = st.lists(st.one_of(_LINE, _TABLE, _CODE, _LINE.map("# {}".format)), max_size=6).map(
    "\n\n".join
)
ANYTHING = st.one_of(MARKDOWN, st.text(max_size=200))
MODES = st.sampled_from(["off", "bullets", "code", "block"])


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"alpha|Beta|γάμμα|漢字|🙂|4711|snake_case", text))


@given(MARKDOWN)
def test_plain_text_has_all_words_of_its_markdown(text):
    assert words(to_plain(text)) == words(text)


@given(ANYTHING, MODES)
def test_converting_never_fails(text, mode):
    to_plain(convert_tables(text, mode))


@given(_TABLE, st.sampled_from(["code", "block"]))
def test_a_table_as_code_keeps_all_its_words(text, mode):
    assert words(convert_tables(text, mode)) == words(text)


@given(_TABLE)
def test_a_table_as_a_list_keeps_the_words_of_its_rows(text):
    lines = text.split("\n")
    if len(lines) > 2:
        assert not words("\n".join(lines[2:])) - words(convert_tables(text, "bullets"))


INFOS = st.builds(
    lambda max_text, unit, markdown, tables: ChannelInfo(
        id="x", label="X", max_text=max_text, unit=unit, markdown=markdown, tables=tables
    ),
    st.integers(4, 300),
    st.sampled_from(list(LengthUnit)),
    st.booleans(),
    st.booleans(),
)


@given(ANYTHING, MODES, INFOS)
def test_no_message_is_too_long_or_blank(text, mode, info):
    for one in render(text, info, RenderSettings(tables=mode, response_prefix="bot:")):
        assert one.strip()
        assert measure(one, info.unit) <= info.max_text


@given(MARKDOWN)
def test_a_rendered_answer_has_all_its_words_where_nothing_is_cut(text):
    info = ChannelInfo(id="x", label="X", max_text=100_000)
    shown = "".join(render(text, info, RenderSettings(tables="code")))
    assert words(shown) == words(text)


@given(ANYTHING)
def test_the_silent_token_takes_nothing_else_with_it(text):
    if "NO_REPLY" not in text:
        assert spoken(f"{text}\nNO_REPLY").strip() == text.strip()
        assert spoken(text) == text or not text.strip()
