"""The built-in channels and the one for tests fit the one door."""

from __future__ import annotations

import inspect

import pytest

from carapace.channels import ports
from carapace.channels.accounts.door import InboundDoor, OutboundDoor
from carapace.channels.builtin.webchat import WebchatAccount, WebchatChannel
from carapace.channels.builtin.webhook import WebhookAccount, WebhookChannel
from carapace.channels.intake import IntakeService
from support.recording_channel import RecordingAccount, RecordingChannel, RecordingIntake


@pytest.mark.parametrize(
    ("made", "port"),
    [
        (WebchatChannel, ports.Channel),
        (WebhookChannel, ports.Channel),
        (RecordingChannel, ports.Channel),
        (WebchatAccount, ports.Account),
        (WebhookAccount, ports.Account),
        (RecordingAccount, ports.Account),
        (OutboundDoor, ports.Account),
        (IntakeService, ports.Intake),
        (InboundDoor, ports.Intake),
        (RecordingIntake, ports.Intake),
    ],
)
def test_every_method_of_the_port_is_there_with_its_parameters(made: type, port: type):
    wanted = {name: member for name, member in vars(port).items() if not name.startswith("_")}
    assert wanted
    for name, member in wanted.items():
        found = inspect.getattr_static(made, name)
        assert isinstance(found, property) == isinstance(member, property), name
        if not isinstance(member, property):
            assert list(inspect.signature(found).parameters) == list(
                inspect.signature(member).parameters
            ), name
