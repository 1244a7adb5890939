"""The way to keep it running names the program that runs."""

from __future__ import annotations

import pytest

from carapace.agent.onboarding.texts import SERVICES, service_text


@pytest.mark.parametrize("service", [one.value for one in SERVICES])
def test_every_way_names_the_program(service):
    assert "/opt/cara up --no-chat" in service_text(service, "/opt/cara up --no-chat")


def test_systemd_gets_a_whole_unit():
    text = service_text("systemd", "cara up")
    assert "ExecStart=cara up\n" in text
    assert "systemctl --user enable --now carapace" in text
