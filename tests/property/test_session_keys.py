"""Session keys, for any text."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from carapace.errors import Refused
from carapace.sessions.keys import MAX_KEY_CHARS, agent_of, canonical, kind_of, rest_of

TEXTS = st.one_of(
    st.text(max_size=80),
    st.builds("agent:{}:{}".format, st.text(max_size=10), st.text(max_size=40)),
    st.from_regex(r"\A(agent:[a-zA-Z0-9_-]{1,8}:)?[ -~]{0,30}\Z"),
)


@given(TEXTS)
def test_canonical_is_idempotent_lower_case_and_bounded(text: str):
    with contextlib.suppress(Refused):
        key = canonical(text)
        assert canonical(key) == key
        assert key == key.lower().strip()
        assert 0 < len(key) <= MAX_KEY_CHARS
        assert all(char.isprintable() or not char.isascii() for char in key)
        key.encode()


@given(TEXTS)
def test_a_key_is_an_agents_or_one_of_the_two_shared(text: str):
    with contextlib.suppress(Refused):
        key = canonical(text, agent_id="work")
        assert key in ("global", "unknown") or key == f"agent:{agent_of(key)}:{rest_of(key)}"
        kind_of(key)


@given(TEXTS)
def test_case_and_surrounding_space_never_make_two_sessions(text: str):
    try:
        key = canonical(text)
    except Refused:
        return
    assert canonical(f"  {text.lower()} ") == key
