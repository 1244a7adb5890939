"""The plugin's own part of the configuration."""

from __future__ import annotations

import json
from typing import Any

from carapace_plugin.host import call

__all__ = ["get"]


def get(key: str, default: Any = None) -> Any:
    """The value at a dotted key, as in `accounts.default.region`.

    Secrets in it are replaced by their names; see `credentials`.
    """
    text = call("config", "get", key)
    return default if text is None else json.loads(text)
