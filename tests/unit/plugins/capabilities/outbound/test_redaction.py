"""No answer shows a secret, in any spelling that encoders give it."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from carapace.plugins.capabilities.outbound.redaction import (
    MASK,
    SecretScrubber,
    StreamScrubber,
    spellings,
)

SECRET = 'tok:en/1"ä&b+c d'
SCRUB = SecretScrubber([SECRET])


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        quote_plus(SECRET),
        quote(SECRET, safe="")
        .replace("%C3%A4", "%c3%a4")
        .replace("%3A", "%3a")
        .replace("%2F", "%2f")
        .replace("%2B", "%2b"),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps({"url": f"https://x/{SECRET}"}),
        html.escape(SECRET),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).rstrip(b"=").decode(),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.b64encode(f"u:{SECRET}:more".encode()).decode(),
        base64.b64encode(f"me:{SECRET}".encode()).decode(),
    ],
)
def test_every_spelling_is_masked(shown):
    clean = SCRUB.data(f"before {shown} after".encode())
    assert MASK in clean
    assert not any(one in clean for one in spellings(SECRET))
    assert clean.startswith(b"before ")
    assert clean.endswith(b" after")


def test_what_is_no_secret_stays():
    assert SCRUB.text("nothing here, tok:en neither") == "nothing here, tok:en neither"
    assert SecretScrubber([]).text("x") == "x"
    assert SecretScrubber([]).last_end(b"x") == 0


def test_short_values_are_not_looked_for():
    assert SecretScrubber(["abc"]).text("abc") == "abc"


def test_half_characters_survive():
    assert SCRUB.text("a\ud800b") == "a\ud800b"


def test_the_longer_of_two_secrets_wins():
    assert SecretScrubber(["abcd", "abcdefgh"]).text("xabcdefghx") == "x***x"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_secret_cut_into_pieces_is_masked_all_the_same(size):
    data = f"a{SECRET}b{SECRET}{SECRET}c".encode()
    stream = StreamScrubber(SCRUB)
    pieces = [stream.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert b"".join([*pieces, stream.finish()]) == b"a***b******c"


def test_a_stream_without_secrets_is_not_held_back():
    stream = StreamScrubber(SecretScrubber([]))
    assert stream.feed(b"abc") == b"abc"
    assert stream.finish() == b""


def test_a_stream_with_a_prefix_of_a_secret_at_its_end_gives_it_in_the_end():
    stream = StreamScrubber(SCRUB)
    assert stream.feed(SECRET[:5].encode()) + stream.finish() == SECRET[:5].encode()
