"""What a channel says about itself is true and can be relied on."""

from __future__ import annotations

import re

import pytest

from carapace.channels.text.chunk import SMALLEST_LIMIT
from carapace.channels.text.render import RenderSettings, render
from carapace.channels.types import ChatType, LengthUnit, OutgoingKind
from support.channel_kinds import KINDS, every


@every()
async def test_its_id_is_what_configuration_and_paths_can_hold(kind, rig):
    assert rig.channel.info.id == kind.name
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,31}", rig.channel.info.id)


@every()
async def test_it_has_a_name_for_people(rig):
    assert rig.channel.info.label.strip()


@every()
async def test_its_limit_holds_at_least_one_character(rig):
    assert rig.channel.info.max_text >= SMALLEST_LIMIT
    assert rig.channel.info.unit in LengthUnit


@every()
async def test_it_is_somewhere_at_least(rig):
    assert rig.channel.info.chat_types
    assert rig.channel.info.chat_types <= frozenset(ChatType)


@every()
async def test_it_is_nowhere_that_its_service_does_not_know(kind, rig):
    assert rig.channel.info.chat_types <= kind.claims.chat_types


@every()
async def test_it_looks_nothing_up_by_a_key_that_its_service_is_not_told(kind, rig):
    info = rig.channel.info
    assert kind.claims.keys or not (info.drops_repeats or info.can_look_up)


@every()
async def test_what_it_can_is_what_it_does(kind, rig):
    info = rig.channel.info
    assert info.can_edit == (OutgoingKind.EDIT in kind.sends)
    assert info.can_delete == (OutgoingKind.DELETE in kind.sends)
    assert info.can_react == (OutgoingKind.REACTION in kind.sends)
    assert info.can_poll == (OutgoingKind.POLL in kind.sends)


@every()
async def test_a_repeat_is_dropped_looked_up_or_marked(kind, rig):
    info = rig.channel.info
    assert info.drops_repeats or info.can_look_up or kind.marks_repeats


@every()
async def test_any_answer_can_be_rendered_for_it(rig):
    info = rig.channel.info
    texts = render("# T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n" * 50, info, RenderSettings())
    assert texts
    assert all(text.strip() for text in texts)


@every()
async def test_asking_twice_gives_the_same(rig):
    assert rig.channel.info == rig.channel.info


def test_no_two_channels_share_an_id():
    names = [(kind.name, kind.way) for kind in KINDS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_channel_is_asked_about_some_troubles_at_least(kind):
    assert len(kind.troubles) >= 5
