"""An account opens with good settings, and only with those."""

from __future__ import annotations

import pytest

from carapace.errors import Refused
from support.channel_kinds import every

WORST = 8
"""As many bad settings as the channel with the most has."""


@every()
async def test_it_opens_with_good_settings_and_can_send(opened):
    assert opened.account.trouble() is None


@every()
async def test_opening_receives_nothing_by_itself(opened, intake):
    assert intake.received == []


@every()
@pytest.mark.parametrize("number", range(WORST))
async def test_it_refuses_bad_settings_and_says_which(kind, rig, intake, number):
    bad = rig.bad_settings[number % len(rig.bad_settings)]
    with pytest.raises(Refused, match=bad.word):
        await rig.channel.open(kind.account, bad.settings, intake)


@every()
async def test_refused_settings_show_no_secret(kind, rig, intake):
    for bad in rig.bad_settings:
        with pytest.raises(Refused) as caught:
            await rig.channel.open(kind.account, bad.settings, intake)
        for secret in rig.secrets:
            assert secret not in caught.value.message
            assert secret not in str(caught.value.details)


@every()
async def test_after_a_refusal_good_settings_open(kind, rig, intake):
    with pytest.raises(Refused):
        await rig.channel.open(kind.account, rig.bad_settings[0].settings, intake)
    account = await rig.channel.open(kind.account, rig.settings, intake)
    assert account.trouble() is None
    await account.aclose()


@every()
async def test_it_opens_again_after_it_was_closed(kind, rig, intake):
    for _ in range(3):
        account = await rig.channel.open(kind.account, rig.settings, intake)
        assert account.trouble() is None
        await account.aclose()


@every()
async def test_the_settings_it_was_given_are_left_as_they_were(kind, rig, intake):
    before = dict(rig.settings)
    account = await rig.channel.open(kind.account, rig.settings, intake)
    await account.aclose()
    assert dict(rig.settings) == before
