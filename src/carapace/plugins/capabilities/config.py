"""`config`: the plugin's own part of the configuration, with handles where secrets are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from carapace.config.secret import Secret
from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.outbound.redaction import SecretScrubber
from carapace.plugins.capabilities.ports import PluginConfig
from carapace.plugins.capabilities.secrets import ACCOUNTS_KEY, PluginSecrets

__all__ = ["ConfigCapability"]

_HIDDEN: Final = "***"
"""Stands for a secret that the manifest does not name."""


class ConfigCapability:
    """Reads values.

    Args:
        config: The plugin's part.
        secrets: What it may use; their values never show, wherever they stand.
        names: Names of secrets in its manifest.
    """

    def __init__(self, config: PluginConfig, secrets: PluginSecrets, names: frozenset[str]) -> None:
        self._config = config
        self._secrets = secrets
        self._names = names
        self.call = Dispatch("config", {"get": Operation(tuple[str], self._get)})

    async def _get(self, key: str) -> str | None:
        shown = self._shown(self._config.settings(), ())
        scrubbed = _scrubbed(shown, self._secrets.scrubber())
        is_there, value = _at(scrubbed, key)
        return json.dumps(value, ensure_ascii=False, default=str) if is_there else None

    def _shown(self, value: Any, path: tuple[str, ...]) -> Any:
        """`value` without secrets: a granted one is replaced by its handle."""
        if isinstance(value, Mapping):
            items = cast("Mapping[str, Any]", value)
            return {str(key): self._shown(one, (*path, str(key))) for key, one in items.items()}
        handle = self._handle(path)
        if handle is not None and isinstance(value, str | Secret):
            return handle if value else None
        if isinstance(value, Secret):
            return _HIDDEN if value else None
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            members = cast("Sequence[Any]", value)
            return [self._shown(one, (*path, "")) for one in members]
        return value

    def _handle(self, path: tuple[str, ...]) -> str | None:
        match path:
            case (name,) if name in self._names:
                return name
            case (top, account, name) if top == ACCOUNTS_KEY and name in self._names:
                return f"{account}/{name}"
            case _:
                return None


def _scrubbed(value: Any, scrubber: SecretScrubber) -> Any:
    """Secrets that were written into other values, such as a URL."""
    if isinstance(value, str):
        return scrubber.text(value)
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {scrubber.text(key): _scrubbed(one, scrubber) for key, one in items.items()}
    if isinstance(value, list):
        return [_scrubbed(one, scrubber) for one in cast("list[Any]", value)]
    return value


def _at(value: Any, key: str) -> tuple[bool, Any]:
    """Whether there is something at a dotted key, and what; an empty key is everything."""
    for part in key.split(".") if key else ():
        if isinstance(value, dict) and part in value:
            value = cast("dict[str, Any]", value)[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit():
            elements = cast("list[Any]", value)
            if len(part) > 6 or int(part) >= len(elements):  # noqa: PLR2004 - digits
                return False, None
            value = elements[int(part)]
        else:
            return False, None
    return True, value
