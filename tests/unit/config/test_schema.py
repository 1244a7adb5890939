from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from carapace.config.catalogue import ANY, entries
from carapace.config.schema import config_schema, json_schema, ui_hints


def test_the_answer_has_the_node_gateways_shape():
    got = msgspec.to_builtins(config_schema("1.2.3", datetime(2026, 1, 2, 3, 4, 5, 6789, UTC)))
    assert list(got) == ["schema", "uiHints", "version", "generatedAt"]
    assert got["version"] == "1.2.3"
    assert got["generatedAt"] == "2026-01-02T03:04:05.006Z"


def test_the_schema_stands_alone():
    schema = json_schema()
    assert "$ref" not in msgspec.json.encode(schema).decode()
    port = schema["properties"]["gateway"]["properties"]["port"]
    assert (port["minimum"], port["maximum"], port["default"]) == (1, 65535, 18789)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["type"] == "object"


_LISTS = {"list", "mappings", "models", "rules"}


def test_each_setting_has_a_hint():
    hints = ui_hints()
    for entry in entries():
        path = ""
        for index, part in enumerate(entry.key):
            in_list = part == ANY and entry.key[index - 1] in _LISTS
            path += "[]" if in_list else (f".{part}" if path else str(part))
        assert path in hints, path


def test_secrets_are_sensitive_and_sections_are_ordered():
    hints = ui_hints()
    assert hints["gateway.auth.token"].sensitive
    assert hints["models.providers.*.headers.*"].sensitive
    assert not hints["gateway.port"].sensitive
    assert (hints["gateway"].group, hints["gateway"].order) == ("Gateway", 10)
    assert hints["gateway.limits.maxPayloadBytes"].label == "Max Payload Bytes"


def test_a_hint_says_when_a_restart_is_needed():
    hints = ui_hints()
    assert str(hints["gateway.port"].help).endswith("Takes effect after a restart.")
    assert "restart" not in str(hints["logging.level"].help)
