"""Runs `cara` in this process, in a home of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from carapace.cli.main import run

__all__ = ["Command", "Done"]

_NAMES = ("CONFIG_PATH", "STATE_DIR", "GATEWAY_PORT", "GATEWAY_TOKEN", "GATEWAY_PASSWORD")
_PREFIXES = ("CARAPACE", "OPENCLAW", "MOLTBOT", "CLAWDBOT")


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its output as one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Command:
    """`cara`, with a fresh home and nothing of the developer's environment."""

    def __init__(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home = home
        self.state = home / ".carapace"
        self.config = self.state / "carapace.json"
        self._capsys = capsys
        for prefix in _PREFIXES:
            for name in _NAMES:
                monkeypatch.delenv(f"{prefix}_{name}", raising=False)
        for name in ("CARAPACE_VAULT_KEY_DIR", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(home))

    def write_config(self, text: str) -> None:
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.config.write_text(text)
        self.config.chmod(0o600)

    def __call__(self, *words: str) -> Done:
        self._capsys.readouterr()
        code = run(words)
        said = self._capsys.readouterr()
        return Done(code, said.out, said.err)
