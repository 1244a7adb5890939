"""Shared options have defaults that mean "look it up"."""

from __future__ import annotations

from carapace.cli.options import DEFAULT_PLACE, DEFAULT_REMOTE, Place, Remote


def test_nothing_said_means_nothing_decided():
    assert Place() == DEFAULT_PLACE
    assert Remote() == DEFAULT_REMOTE
    assert (DEFAULT_REMOTE.url, DEFAULT_REMOTE.token, DEFAULT_REMOTE.config) == (None, None, None)
    assert not DEFAULT_REMOTE.json
    assert DEFAULT_REMOTE.timeout_s == 10
