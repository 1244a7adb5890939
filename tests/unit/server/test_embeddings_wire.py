"""What a program may ask for, and how vectors look to it."""

from __future__ import annotations

import base64
import struct

import msgspec
import pytest

from carapace.agent.providers.ports import Embedded
from carapace.errors import Refused
from carapace.server.embeddings_wire import MAX_TEXTS, decode_request, embeddings_body

MADE = Embedded("m", ((1.0, -0.5), (0.0, 0.25)), 4)


def read(**fields: object):
    return decode_request(msgspec.json.encode({"model": "m", "input": "hi", **fields}))


def test_a_text_or_a_list_of_them_is_taken():
    assert (read().texts, read().dimensions, read().is_base64) == (("hi",), None, False)
    asked = read(input=["a", "b"], dimensions=3, encoding_format="base64", user="u")
    assert (asked.texts, asked.dimensions, asked.is_base64) == (("a", "b"), 3, True)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"model": " "}, "model"),
        ({"model": 5}, "model"),
        ({"input": []}, "1 to 2048"),
        ({"input": ["a"] * (MAX_TEXTS + 1)}, "1 to 2048"),
        ({"input": None}, "a text or a list"),
        ({"input": ""}, "none of them blank"),
        ({"input": ["a", " "]}, "none of them blank"),
        ({"input": [1, 2]}, "tokens are not understood"),
        ({"input": [[1, 2]]}, "tokens are not understood"),
        ({"encoding_format": "hex"}, "float or base64"),
        ({"encoding_format": []}, "float or base64"),
        ({"dimensions": 0}, "whole number"),
        ({"dimensions": True}, "whole number"),
        ({"dimensions": 1.5}, "whole number"),
        ({"dimensions": 99_999}, "whole number"),
    ],
)
def test_a_request_that_makes_no_sense_says_where(fields, why):
    with pytest.raises(Refused, match=why):
        read(**fields)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 5_000])
def test_a_body_that_is_no_request_is_refused(body):
    with pytest.raises(Refused, match="the body"):
        decode_request(body)


def test_vectors_are_numbered_and_counted():
    body = embeddings_body(MADE, is_base64=False)
    assert body == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": (1.0, -0.5)},
            {"object": "embedding", "index": 1, "embedding": (0.0, 0.25)},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }


def test_base64_is_of_little_endian_floats_of_32_bits():
    rows = msgspec.convert(embeddings_body(MADE, is_base64=True)["data"], list[dict[str, object]])
    data = base64.b64decode(str(rows[0]["embedding"]))
    assert struct.unpack("<2f", data) == (1.0, -0.5)
