"""How a gateway is asked to start, and what it says when it listens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from carapace.config.load import Overrides
from carapace.config.located import Key
from carapace.config.paths import PathFlags

__all__ = ["Ready", "UpOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """The flags of `cara up`; None leaves a thing to environment and file.

    Attributes:
        config: Configuration file.
        state_dir: Folder for everything the gateway keeps.
        port: Listening port.
        bind: A mode of `gateway.bind`.
        token: Shared token.
        no_model: Do not offer the embedded model.
        no_chat: No chat has the terminal; with one only warnings reach the console.
        json: A program reads standard output.
    """

    config: str | None = None
    state_dir: str | None = None
    port: int | None = None
    bind: str | None = None
    token: str | None = field(default=None, repr=False)
    no_model: bool = False
    no_chat: bool = True
    json: bool = False

    def path_flags(self) -> PathFlags:
        """What concerns paths."""
        return PathFlags(config=self.config, state_dir=self.state_dir)

    def overrides(self, environment: Mapping[str, str]) -> Overrides:
        """What stands above the file."""
        flags: dict[Key, Any] = {}
        names: dict[Key, str] = {}
        for key, name, value in (
            (("gateway", "port"), "--port", self.port),
            (("gateway", "bind"), "--bind", self.bind),
            (("gateway", "auth", "token"), "--token", self.token),
        ):
            if value is not None:
                flags[key], names[key] = value, name
        if self.no_model:
            flags["models", "embedded", "enabled"] = False
            names["models", "embedded", "enabled"] = "--no-model"
        return Overrides(environment, flags, names)


class Ready(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """What `cara up --json` says once it listens. Scripts rely on it: only add to it.

    Attributes:
        port: The port it listens on.
        url: WebSocket address on this machine.
        pid: Of the gateway.
        version: Of the gateway.
        config_path: The configuration file, there or not.
        state_dir: The state folder.
        token_source: `settings` if a person chose the credential, `vault` if it was generated.
        config_issue: What is wrong with the configuration file, if something is.
        started_ms: From the process's start to listening, in milliseconds.
    """

    port: int
    url: str
    pid: int
    version: str
    config_path: str
    state_dir: str
    token_source: str
    config_issue: str | None = None
    started_ms: int
