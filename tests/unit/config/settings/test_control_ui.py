"""The page is served only if its folder is named, and insecure sign-in is a choice."""

from __future__ import annotations

import msgspec

from carapace.config.settings.control_ui import ControlUiSettings


def test_nothing_is_served_until_a_folder_is_named():
    settings = ControlUiSettings()
    assert (settings.enabled, settings.root, settings.base_path) == (True, None, "")
    assert not settings.allow_insecure_auth


def test_keys_are_written_as_the_node_gateway_writes_them():
    given = {"basePath": "/ui", "root": "/x", "allowInsecureAuth": True}
    settings = msgspec.convert(given, ControlUiSettings)
    assert (settings.base_path, settings.root, settings.allow_insecure_auth) == ("/ui", "/x", True)
