"""What a browser may show by itself is a closed list without anything that runs."""

from __future__ import annotations

from carapace.media.types import ANY_KIND, INLINE_TYPES, OCTETS, MediaKind


def test_nothing_that_could_hold_script_is_shown_inline():
    assert all(one.split("/")[0] in ("image", "audio", "video") for one in INLINE_TYPES)
    assert not {"image/svg+xml", "text/html", "application/pdf", OCTETS} & INLINE_TYPES


def test_any_kind_is_every_kind():
    assert frozenset(MediaKind) == ANY_KIND
