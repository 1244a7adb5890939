"""A pass opens one thing, for a while, for one purpose."""

from __future__ import annotations

import pytest

from carapace.server.signed_links import SignedLinks


def links(now_ms: int = 1_000, purpose: str = "a", key: bytes = b"k" * 32) -> SignedLinks:
    return SignedLinks(purpose, now_ms=lambda: now_ms, key=key)


def test_it_opens_its_subject_until_its_time_is_over():
    given = links().make("main", lasts_ms=10)
    assert links(1_009).opens(given, "main")
    assert not links(1_010).opens(given, "main")
    assert not links().opens(given, "other")


def test_other_purposes_and_other_keys_make_other_passes():
    given = links().make("main", lasts_ms=10)
    assert not links(purpose="b").opens(given, "main")
    assert not links(key=b"x" * 32).opens(given, "main")
    assert not SignedLinks("a", now_ms=lambda: 1_000).opens(given, "main")


@pytest.mark.parametrize("given", ["", ".", "x.y", "9999", "9999.", "²9.x", "9" * 300, "9999.\xff"])
def test_what_is_no_pass_opens_nothing(given):
    assert not links().opens(given, "main")


def test_moving_the_time_breaks_the_seal():
    given = links().make("main", lasts_ms=10)
    assert not links().opens(f"9{given}", "main")
