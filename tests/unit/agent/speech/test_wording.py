"""What is read out of a text."""

from __future__ import annotations

import pytest

from carapace.agent.speech.wording import spoken_words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Plain words.", "Plain words."),
        ("# Head\n\n- **one**\n- `two`\n> three", "Head\n\none\ntwo\nthree"),
        ("See [the page](https://x.example/y) or https://z.example.", "See the page or"),
        ("Before\n```py\nsecret()\n```\nafter", "Before\n \nafter".replace(" \n", "\n").strip()),
        ("<b>bold</b> &amp; <pre>code</pre> done", "bold & done"),
        ("```open to the end", ""),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("[[tts:provider=openai]] hello", "[[tts:provider=openai]] hello"),
        ("", ""),
    ],
)
def test_marks_code_and_addresses_are_not_read_out(text: str, said: str):
    assert " ".join(spoken_words(text).split()) == " ".join(said.split())


def test_paragraphs_stay_apart():
    assert spoken_words("a\n\n\n\nb") == "a\n\nb"
