"""Web pages as text."""

from __future__ import annotations

import pytest

from carapace.agent.understanding.page_text import PageText, decode_page


def page(markup: str, max_chars: int = 10_000) -> PageText:
    made = PageText(max_chars)
    made.feed(markup)
    made.close()
    return made


def test_title_and_paragraphs():
    read = page(
        "<!doctype html><html><head><title> A\n title </title><meta charset=utf-8></head>"
        "<body><h1>Head</h1><p>One  &amp;\n two.<p>Three<br>four</body></html>"
    )
    assert read.title == "A title"
    assert read.text == "Head\nOne &\ntwo.\nThree\nfour"


@pytest.mark.parametrize(
    "markup",
    [
        "<script>bad</script>",
        "<script type=text/plain>bad</script>",
        "<style>bad</style>",
        "<template><p>bad</p></template>",
        "<noscript>bad</noscript>",
        "<iframe>bad</iframe>",
        "<svg><text>bad</text></svg>",
        "<svg/><text>bad</text></svg>",
        "<textarea>bad</textarea>",
        "<div hidden>bad</div>",
        "<div hidden/>bad</div>",
        "<div aria-hidden=true><b>bad</b></div>",
        "<div aria-hidden=TRUE><b>bad</div>",
        "<div style='display:none'>bad</div>",
        "<div style='color:red; DISPLAY : NONE'>bad</div>",
        "<span style='visibility:hidden'>bad</span>",
        "<span style='font-size:0'>bad</span>",
        "<span style='font-size: 0px; color: red'>bad</span>",
        "<span style='opacity:0'>bad</span>",
        "<!-- bad -->",
        "<![CDATA[bad]]>",
        "<?php bad ?>",
    ],
)
def test_scripts_and_hidden_parts_are_left_out(markup: str):
    assert "bad" not in page(f"<p>before</p>{markup}<p>after</p>").text
    assert page(f"<p>before</p>{markup}<p>after</p>").text.startswith("before")


def test_what_only_looks_hidden_is_kept():
    for style in ("opacity:0.5", "font-size:0.9em", "display:block"):
        assert page(f"<p style='{style}'>good</p>").text == "good"
    assert page("<p aria-hidden=false>good</p>").text == "good"


def test_text_behind_hidden_parts_is_kept_whatever_was_left_open():
    read = page("<div><div hidden><p>bad<b>bad</div>good</div></div></p>also")
    assert read.text == "good\nalso"


def test_void_elements_hide_nothing_after_them():
    assert page("<img hidden><input hidden>good").text == "good"


def test_a_title_is_short_and_a_hidden_one_none():
    assert len(page(f"<title>{'x' * 5_000}</title>").title) == 300
    assert page("<svg><title>icon</title></svg><title>real</title>").title == "real"
    assert page("<title>" + "a&amp;<b>" * 50 + "</title>").title.startswith("a&")


def test_deep_nesting_is_no_trouble():
    assert page("<div>" * 5_000 + "good" + "</div>" * 5_000).text == "good"


def test_text_beyond_the_bound_is_not_kept():
    read = page("<p>" + "x" * 500, 100)
    assert len(read.text) <= 100
    assert read.is_cut
    assert not page("<p>" + "x" * 50 + "</p>", 60).is_cut


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("é".encode(), None, "é"),
        ("é".encode("latin-1"), "iso-8859-1", "é"),
        (b'<meta charset="windows-1252">\xe9', None, '<meta charset="windows-1252">é'),
        (b"\xef\xbb\xbf\xc3\xa9", "latin-1", "é"),
        ("é".encode(), "no-such-charset", "é"),
        (b"6162", "hex", "6162"),
        (b"\xff\xfe", None, "\ufffd\ufffd"),
    ],
)
def test_bytes_become_text_whatever_they_say_they_are(data: bytes, charset: str | None, text: str):
    assert decode_page(data, charset) == text
