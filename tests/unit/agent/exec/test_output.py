"""However much a command writes, its beginning and its end are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carapace.agent.exec.output import Output


def test_what_fits_is_kept_whole():
    output = Output(10)
    for piece in (b"abc", b"", b"defghij"):
        output.add(piece)
    assert output.text == "abcdefghij"


def test_the_middle_is_counted():
    output = Output(6)
    output.add(b"abcdefghijkl")
    assert output.text == "abc\n[6 bytes left out]\njkl"


@given(st.lists(st.binary(max_size=20)), st.integers(2, 30))
def test_beginning_and_end_survive_any_pieces(pieces: list[bytes], size: int):
    output, whole = Output(size), b"".join(pieces)
    for piece in pieces:
        output.add(piece)
    half = size // 2
    assert output.total_bytes == len(whole)
    assert output.text.startswith(whole[:half].decode(errors="replace")[:1])
    if len(whole) <= 2 * half:
        assert output.text == whole.decode(errors="replace")
    else:
        assert f"[{len(whole) - 2 * half} bytes left out]" in output.text
        assert output.text.endswith(whole[-half:].decode(errors="replace"))
