"""Token buckets refill, caps count, and one client cannot look like many."""

from __future__ import annotations

import pytest

from carapace.server.rate_limit import ConnectionCaps, RateLimit, address_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10.0.0.1", "::ffff:10.0.0.1"),
        ("2001:db8::1", "2001:db8::ffff"),
        ("2001:0db8:0:0::1", "2001:db8::2"),
    ],
)
def test_forms_of_one_client_share_a_key(one, other):
    assert address_key(one) == address_key(other)


def test_different_clients_have_different_keys():
    assert len({address_key(ip) for ip in ("10.0.0.1", "10.0.0.2", "2001:db8:0:1::", "x")}) == 4


def test_a_burst_is_allowed_then_tokens_flow_back():
    limit = RateLimit(per_s=2.0, burst=2)
    assert [limit.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.5]
    assert limit.take("a", 0.5) == 0.0
    assert limit.take("a", 0.5) > 0.0


def test_a_bucket_never_holds_more_than_its_burst():
    limit = RateLimit(per_s=100.0, burst=1)
    limit.take("a", 0.0)
    assert limit.take("a", 1000.0) == 0.0
    assert limit.take("a", 1000.0) > 0.0


def test_a_clock_that_stands_still_or_goes_back_gives_nothing():
    limit = RateLimit(per_s=1.0, burst=1)
    limit.take("a", 10.0)
    assert limit.take("a", 5.0) > 0.0


def test_keys_are_forgotten_longest_unused_first():
    limit = RateLimit(per_s=1.0, burst=1, max_keys=2)
    for key in ("a", "b", "a", "c"):
        limit.take(key, 0.0)
    assert len(limit) == 2
    assert limit.take("a", 0.0) > 0.0
    assert limit.take("b", 0.0) == 0.0


def test_caps_name_what_is_full():
    caps = ConnectionCaps(total=3, strangers=2, strangers_per_address=1)
    assert caps.enter("a") is None
    assert caps.enter("a") == "address"
    assert caps.enter("b") is None
    assert caps.enter("c") == "strangers"
    caps.known("a")
    caps.known("b")
    assert caps.enter("a") is None
    caps.known("a")
    assert caps.enter("a") == "total"
    caps.leave()
    assert caps.enter("a") is None
    assert (caps.open, caps.strangers) == (3, 1)


def test_each_stranger_of_an_address_is_counted():
    caps = ConnectionCaps(total=9, strangers=9, strangers_per_address=2)
    assert [caps.enter("a") for _ in range(3)] == [None, None, "address"]
    caps.known("a")
    assert caps.enter("a") is None
