"""What is stored and what is on its way together stay under the cap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carapace.media.quota import Quota


def test_room_is_taken_kept_given_back_and_freed():
    quota = Quota(10, stored_bytes=4)
    assert quota.reserve(6)
    assert not quota.reserve(1)
    quota.give_back(2)
    quota.keep(4)
    assert (quota.stored_bytes, quota.reserved_bytes) == (8, 0)
    quota.free(8)
    assert quota.reserve(10)


def test_a_lower_cap_takes_nothing_away():
    quota = Quota(10, stored_bytes=8)
    quota.max_bytes = 5
    assert not quota.reserve(1)
    assert quota.stored_bytes == 8


@given(st.lists(st.integers(0, 40), max_size=30))
def test_reservations_never_pass_the_cap(sizes: list[int]):
    quota = Quota(100, stored_bytes=10)
    taken = sum(size for size in sizes if quota.reserve(size))
    assert quota.reserved_bytes == taken
    assert 10 + taken <= 100
