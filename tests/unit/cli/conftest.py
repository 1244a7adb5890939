"""A command in a home of its own, and a small gateway to talk to."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command import Command
from support.mini_gateway import TOKEN, MiniGateway, mini_gateway


@pytest.fixture
def cara(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return Command(tmp_path, monkeypatch, capsys)


@pytest.fixture
def gateway(cara: Command, monkeypatch: pytest.MonkeyPatch):
    """Running, and configured as the one that `cara` means."""
    with mini_gateway() as running:
        monkeypatch.setenv("CARAPACE_GATEWAY_PORT", str(running.port))
        monkeypatch.setenv("CARAPACE_GATEWAY_TOKEN", TOKEN)
        yield running


__all__ = ["MiniGateway"]
