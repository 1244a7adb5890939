from __future__ import annotations

import json
from pathlib import Path

from carapace.config.catalogue import catalogue
from carapace.config.node_keys import NODE_KEYS, SILENT_KEYS
from support.config_schema import strange_keys

RECORDED = Path(__file__).parents[2] / "golden" / "node-2026.1" / "config.schema.json"


def test_every_key_of_the_recorded_schema_may_be_written_by_clients():
    payload = json.loads(RECORDED.read_text())["cases"][0]["responses"][0]["payload"]
    assert strange_keys(payload["schema"]) == []


def test_each_listed_place_exists_and_lists_nothing_that_is_a_setting():
    for place, names in NODE_KEYS.items():
        shape = catalogue()
        for part in place:
            inner = shape.item if part == "*" else shape.fields[part].shape
            assert inner is not None, place
            shape = inner
        assert not names & set(shape.fields), place


def test_stamps_are_no_settings():
    assert not SILENT_KEYS & set(catalogue().fields)
