"""A change of the vault by another process is noticed within a second, once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from carapace.app.vault_watch import watch_vault
from support.clock import FakeClock


def replaced(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


async def test_each_replacement_is_told_once_and_a_missing_file_is_none(tmp_path: Path):
    path, clock, told = tmp_path / "vault.json", FakeClock(), []

    async def on_change() -> None:
        told.append(path.read_text())

    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch_vault(path, clock, on_change))
        await clock.advance(3)
        assert told == []
        path.write_text("made")
        await clock.advance(1.5)
        await clock.advance(1.5)
        assert told == ["made"]
        replaced(path, "rotated")
        await clock.advance(1.5)
        assert told == ["made", "rotated"]
        path.unlink()
        await clock.advance(3)
        assert told == ["made", "rotated"]
        task.cancel()
