"""The canvas has nothing to serve until its folders are named."""

from __future__ import annotations

import msgspec

from carapace.config.settings.canvas_host import CanvasHostSettings


def test_nothing_is_served_until_a_folder_is_named():
    settings = CanvasHostSettings()
    assert (settings.enabled, settings.root, settings.a2ui_root) == (True, None, None)


def test_keys_are_in_camel_case():
    settings = msgspec.convert({"root": "/a", "a2uiRoot": "/b"}, CanvasHostSettings)
    assert (settings.root, settings.a2ui_root) == ("/a", "/b")
