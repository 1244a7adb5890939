"""However a stream is cut into chunks, the same events come out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carapace.agent.providers.sse import SseDecoder, SseEvent

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)
_NAMES = st.text(st.characters(codec="ascii", min_codepoint=97, max_codepoint=122), max_size=6)


@given(
    st.lists(st.tuples(_NAMES, _TEXT, st.sampled_from([b"\n", b"\r\n"])), max_size=6),
    st.lists(st.integers(1, 9), min_size=1, max_size=9),
)
def test_chunking_does_not_matter(events: list[tuple[str, str, bytes]], sizes: list[int]) -> None:
    wire = b"".join(
        (b"event: " + name.encode() + end if name else b"") + b"data: " + text.encode() + end + end
        for name, text, end in events
    )
    decoder = SseDecoder()
    found: list[SseEvent] = []
    turn = 0
    while wire:
        size = sizes[turn % len(sizes)]
        found += decoder.feed(wire[:size])
        wire = wire[size:]
        turn += 1
    assert found == [SseEvent(name, text.encode()) for name, text, _ in events]


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_garbage_never_raises(chunks: list[bytes]) -> None:
    decoder = SseDecoder()
    for chunk in chunks:
        for event in decoder.feed(chunk):
            assert isinstance(event, SseEvent)
