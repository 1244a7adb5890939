from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.hooks import HookMapping, HooksSettings


def test_hooks_are_off_and_reach_little():
    settings = HooksSettings()
    assert not settings.enabled
    assert settings.token is None
    assert settings.max_body_bytes == 262_144
    assert not settings.allow_request_session_key
    assert settings.allowed_session_key_prefixes == ()
    assert settings.allowed_agent_ids is None


def test_a_file_of_the_node_gateway_is_understood():
    settings = msgspec.convert(
        {
            "enabled": True,
            "path": "/hooks",
            "token": "t",
            "presets": ["gmail"],
            "mappings": [
                {
                    "match": {"path": "x", "source": "s"},
                    "action": "agent",
                    "wakeMode": "now",
                    "messageTemplate": "{{a}}",
                    "deliver": True,
                    "timeoutSeconds": 5,
                    "transform": {"module": "./x.js", "export": "f"},
                }
            ],
        },
        HooksSettings,
    )
    [mapping] = settings.mappings
    assert mapping.match.source == "s"
    assert mapping.transform is not None
    assert mapping.transform.module == "./x.js"


@pytest.mark.parametrize(
    "broken",
    [
        {"action": "run"},
        {"wakeMode": "soon"},
        {"timeoutSeconds": 0},
        {"textTemplate": "x" * 20_000},
    ],
)
def test_what_makes_no_sense_is_no_mapping(broken: dict[str, object]):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(broken, HookMapping)
