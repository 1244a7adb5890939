"""`tools.exec`: nothing runs unless somebody says so."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.exec import ExecSettings


def test_without_a_word_no_command_runs_and_all_are_fenced_in():
    settings = ExecSettings()
    assert (settings.security, settings.ask, settings.sandbox) == ("deny", "on-miss", "required")
    assert not settings.network


@pytest.mark.parametrize(
    "text",
    [
        '{"security":"some"}',
        '{"timeoutSec":0}',
        '{"timeoutSec":3601}',
        '{"pathPrepend":["bin"]}',
        '{"pathPrepend":["/a:/b"]}',
        '{"readPaths":["/a\\n"]}',
        '{"sandbox":"maybe"}',
        '{"maxMemoryMb":1}',
    ],
)
def test_what_makes_no_sense_is_refused(text: str):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=ExecSettings)
