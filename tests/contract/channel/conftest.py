"""A channel with its service, and one account of it that runs."""

from __future__ import annotations

import pytest

from support.channel_under_test import Opened
from support.recording_channel import RecordingIntake


@pytest.fixture
def intake():
    return RecordingIntake()


@pytest.fixture
async def rig(kind, tmp_path):
    async with kind.rig(tmp_path) as one:
        yield one


@pytest.fixture
async def opened(kind, rig, intake):
    account = await rig.channel.open(kind.account, rig.settings, intake)
    yield Opened(rig, account)
    await account.aclose()
