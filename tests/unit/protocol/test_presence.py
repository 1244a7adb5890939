"""Presence entries leave out what is not known and keep whole numbers."""

from __future__ import annotations

import msgspec

from carapace.protocol.presence import PresenceEntry, PresenceEvent


def test_only_known_fields_are_sent():
    entry = PresenceEntry(text="golden", ts=5, device_family="iPhone", roles=("node",))
    assert msgspec.json.decode(msgspec.json.encode(entry)) == {
        "deviceFamily": "iPhone",
        "roles": ["node"],
        "text": "golden",
        "ts": 5,
    }


def test_the_event_splices_encoded_entries():
    assert msgspec.json.encode(PresenceEvent(msgspec.Raw(b"[]"))) == b'{"presence":[]}'
