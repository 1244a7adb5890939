"""What is secret stays so: in words, in representations, in the log (row F19)."""

from __future__ import annotations

import logging
import pprint

import pytest

from carapace.channels.types import Outgoing, Target
from carapace.telemetry import log
from support.channel_kinds import every
from support.channel_under_test import Trouble


def shown_anywhere(rig, *texts):
    return [secret for secret in rig.secrets for text in texts if secret in text]


@every()
async def test_an_account_does_not_show_them(opened):
    account = opened.account
    assert not shown_anywhere(opened.rig, repr(account), str(account), pprint.pformat(account))


@every()
async def test_a_channel_does_not_show_them(opened):
    channel = opened.rig.channel
    assert not shown_anywhere(opened.rig, repr(channel), str(channel), repr(channel.info))


@every()
@pytest.mark.parametrize("trouble", [None, Trouble.REJECTS, Trouble.BREAKS, Trouble.TOO_MANY])
async def test_the_log_does_not_show_them(kind, opened, caplog, capsys, trouble):
    target = Target(channel=kind.name, account=kind.account, conversation="room")
    with caplog.at_level(logging.DEBUG):
        if trouble is not None:
            await opened.rig.stage(trouble)
        await opened.account.send(Outgoing(target=target, idempotency_key="k", text="hi"))
    printed = capsys.readouterr()
    lines = [
        f"{record.getMessage()} {record.args}"
        for record in caplog.records
        # The HTTP library names every address; the gateway's log does not take that in.
        if record.levelno >= logging.WARNING or not record.name.startswith(log._CHATTY)
    ]
    assert not shown_anywhere(opened.rig, *lines, printed.out, printed.err)


@every()
async def test_its_trouble_does_not_show_them(opened):
    await opened.account.aclose()
    assert not shown_anywhere(opened.rig, opened.account.trouble() or "")


@every()
async def test_what_a_person_sees_does_not_hold_them(kind, opened):
    target = Target(channel=kind.name, account=kind.account, conversation="room")
    await opened.account.send(Outgoing(target=target, idempotency_key="k", text="hi"))
    assert not shown_anywhere(opened.rig, *map(repr, opened.rig.seen()))
