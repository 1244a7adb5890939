from __future__ import annotations

from carapace.config.catalogue import catalogue
from carapace.config.node_keys import NODE_KEYS, SILENT_KEYS


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
