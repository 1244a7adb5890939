"""An agent's own settings for commands say nothing until they are written."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.agent_exec import AgentExec


def test_nothing_is_said_by_default_and_the_keys_are_those_of_the_node_gateway():
    own = AgentExec()
    assert (own.host, own.security, own.ask, own.timeout_sec) == (None, None, None, None)
    text = b'{"host": "node", "security": "allowlist", "ask": "always", "timeoutSec": 5}'
    assert msgspec.json.decode(text, type=AgentExec) == AgentExec("node", "allowlist", "always", 5)


@pytest.mark.parametrize(
    "text", [b'{"security": "none"}', b'{"ask": "never"}', b'{"timeoutSec": 0}', b'{"host": "x"}']
)
def test_words_that_are_none_are_refused(text: bytes):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=AgentExec)
