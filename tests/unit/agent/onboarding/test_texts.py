"""The way to keep it running names the program that runs, whatever its path looks like."""

from __future__ import annotations

import pytest

from carapace.agent.onboarding.texts import SERVICES, service_text

PROGRAM = ("/opt/my cara", "up", "--no-chat")


@pytest.mark.parametrize("service", [one.value for one in SERVICES])
def test_every_way_names_the_program(service):
    assert "my cara" in service_text(service, PROGRAM)


def test_systemd_gets_a_whole_unit():
    text = service_text("systemd", PROGRAM)
    assert 'ExecStart="/opt/my cara" "up" "--no-chat"\n' in text
    assert "systemctl --user enable --now carapace" in text


def test_a_shell_gets_quoted_words():
    assert "'/opt/my cara' up --no-chat" in service_text("hand", PROGRAM)
