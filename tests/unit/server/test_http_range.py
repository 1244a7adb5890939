"""One part of a file, the whole of it, or a clear no."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.server.http_range import Part, Unsatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", Part(0, 1)),
        ("bytes=0-", Part(0, 10)),
        ("bytes=4-", Part(4, 10)),
        ("bytes=2-5", Part(2, 6)),
        ("bytes=2-99", Part(2, 10)),
        ("bytes=-3", Part(7, 10)),
        ("bytes=-99", Part(0, 10)),
        (" bytes=1-2 ", Part(1, 3)),
        ("bytes=10-", Unsatisfiable()),
        ("bytes=99-100", Unsatisfiable()),
        ("bytes=-0", Unsatisfiable()),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=٣-٤", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_each_form_of_the_header(header: str | None, found: object):
    assert parse_range(header, 10) == found


@given(st.text(max_size=40) | st.from_regex(r"bytes=\d*-\d*"), st.integers(1, 2**40))
def test_a_part_is_never_empty_and_never_outside(header: str, size_bytes: int):
    found = parse_range(header, size_bytes)
    if isinstance(found, Part):
        assert 0 <= found.start < found.stop <= size_bytes
