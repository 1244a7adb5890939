"""Params of `plugins.*` are what they say, and nothing slips in beside them."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.plugins import (
    PluginChanged,
    PluginConsent,
    PluginInstall,
    PluginNamed,
    PluginRollback,
    PluginUpgrade,
)

DIGEST = "ab" * 32


def test_nothing_is_agreed_to_by_leaving_it_out():
    assert msgspec.convert({"source": "/p"}, PluginInstall).accept is False
    assert msgspec.convert({"id": "zalo"}, PluginUpgrade).accept is False
    assert msgspec.convert({"id": "zalo"}, PluginRollback).accept is False


@pytest.mark.parametrize(
    ("given", "params"),
    [
        ({}, PluginInstall),
        ({"source": ""}, PluginInstall),
        ({"source": "/p", "acept": True}, PluginInstall),
        ({"source": "/p", "accept": 1}, PluginInstall),
        ({"id": "../zalo"}, PluginNamed),
        ({"id": "zalo\n"}, PluginNamed),
        ({"id": "zalo"}, PluginConsent),
        ({"id": "zalo", "digest": DIGEST.upper()}, PluginConsent),
        ({"id": "zalo", "digest": DIGEST + "\n"}, PluginConsent),
        ({"id": "zalo", "version": ""}, PluginRollback),
    ],
)
def test_nonsense_is_refused(given, params):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, params)


def test_what_is_absent_is_not_null():
    assert msgspec.json.encode(PluginChanged(ok=True)) == b'{"ok":true}'
