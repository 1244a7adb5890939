"""Signing in and out on the wire."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.sign_in import ChannelLogout, WebLoginStarted, WebLoginWait


def test_params_take_nothing_else_and_a_wait_has_an_end():
    for kind in (ChannelLogout, WebLoginWait):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"channel": "x", "surprise": 1}, kind)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"timeoutMs": 10**9}, WebLoginWait)


def test_without_a_picture_there_is_no_field_for_it():
    assert msgspec.to_builtins(WebLoginStarted("Hi")) == {"message": "Hi"}
