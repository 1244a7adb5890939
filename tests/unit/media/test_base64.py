"""Base64 is measured before it is decoded."""

from __future__ import annotations

import base64
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.errors import Refused
from carapace.media.base64 import decode_base64, decode_data_url, decoded_bytes


@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_both_alphabets_with_and_without_padding(data: bytes, is_url_safe: bool, is_padded: bool):
    encode = base64.urlsafe_b64encode if is_url_safe else base64.b64encode
    text = encode(data).decode()
    text = text if is_padded else text.rstrip("=")
    assert decoded_bytes(text) == len(data)
    assert decode_base64(text, max_bytes=len(data)) == data
    if data:
        with pytest.raises(Refused, match="send a smaller one"):
            decode_base64(text, max_bytes=len(data) - 1)


@pytest.mark.parametrize("text", ["a", "ab=c", "a b c d", "????", "äöüß", "abc\n"])
def test_what_is_no_base64_is_refused(text: str):
    with pytest.raises(Refused, match="not valid base64"):
        decode_base64(text, max_bytes=100)


def test_too_much_is_refused_without_room_for_it():
    text = "A" * 8_000_000
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="6000000 bytes long and 1000 are allowed"):
            decode_base64(text, max_bytes=1000)
        with pytest.raises(Refused):
            decode_data_url("data:image/png;base64," + text[:10], max_bytes=1)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_data_urls_give_their_bytes_and_nothing_of_their_claim():
    assert decode_data_url("data:image/png;base64,aGk=", max_bytes=2) == b"hi"
    assert decode_data_url("DATA:;base64,aGk", max_bytes=2) == b"hi"


@pytest.mark.parametrize(
    "text",
    ["data:text/plain,hi", "http://x", "", "data:" + "x" * 1000 + ";base64,aGk=", "data:;base64"],
)
def test_other_addresses_are_no_data_urls(text: str):
    with pytest.raises(Refused, match="does not hold base64"):
        decode_data_url(text, max_bytes=100)


def test_a_long_data_url_is_refused_before_it_is_copied():
    text = "data:image/png;base64," + "A" * 8_000_000
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="send a smaller one"):
            decode_data_url(text, max_bytes=1000)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
