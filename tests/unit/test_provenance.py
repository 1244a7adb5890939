"""Authority travels with words and only ever becomes smaller."""

from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
import pytest

from carapace.provenance import OWNER, Authority, Origin, Provenance


def words(authority: Authority, **more: Any) -> Provenance:
    return Provenance(origin=Origin.CHANNEL, authority=authority, **more)


@pytest.mark.parametrize(("had", "limit"), list(product(Authority, Authority)))
def test_a_limit_never_adds(had: Authority, limit: Authority):
    assert words(had).shrunk(limit).authority == min(had, limit)


@pytest.mark.parametrize(("one", "two"), list(product(Authority, Authority)))
def test_words_put_together_may_what_the_weaker_may_whatever_the_order(
    one: Authority, two: Authority
):
    """Row E13."""
    assert words(one).joined(words(two)).authority == min(one, two)
    assert words(two).joined(words(one)).authority == min(one, two)


def test_words_put_together_keep_only_what_they_share():
    anna = words(Authority.PAIRED, channel="webhook", sender_id="anna", conversation="room")
    bert = words(Authority.GUEST, channel="webhook", sender_id="bert", conversation="room")
    both = anna.joined(bert)
    assert (both.channel, both.conversation, both.sender_id) == ("webhook", "room", None)
    assert anna.joined(anna) is anna


def test_what_a_client_lacks_is_lacking_behind_every_door():
    limited = words(Authority.OWNER).without_admin()
    assert limited.lacks_admin
    assert limited.without_admin() is limited
    assert limited.through(Origin.SESSION).shrunk(Authority.PAIRED).lacks_admin
    assert limited.joined(OWNER).lacks_admin
    assert OWNER.joined(limited).lacks_admin
    assert not OWNER.lacks_admin


def test_another_door_changes_the_origin_and_adds_nothing():
    through = words(Authority.PAIRED, sender_id="anna").through(Origin.SESSION)
    assert (through.origin, through.authority) == (Origin.SESSION, Authority.PAIRED)
    assert through.sender_id == "anna"
    limited = OWNER.through(Origin.OUTSIDE, Authority.OUTSIDE)
    assert limited.authority is Authority.OUTSIDE
    assert words(Authority.NONE).through(Origin.OPERATOR, Authority.OWNER).authority == 0


def test_it_survives_the_disk():
    kept = msgspec.json.encode(words(Authority.GUEST, channel="webhook"))
    assert msgspec.json.decode(kept, type=Provenance) == words(Authority.GUEST, channel="webhook")
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"origin":"channel","authority":9}', type=Provenance)


def test_nobody_can_change_it():
    with pytest.raises(AttributeError):
        OWNER.authority = Authority.NONE  # pyright: ignore[reportAttributeAccessIssue] - the point
