"""The vault's file gives nothing away, survives, and is never quietly replaced."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from carapace.credentials.keysource import KeySources
from carapace.credentials.sealed import SealedVault
from carapace.errors import Failed

SECRET = "planted-vault-secret-0123456789"


async def _open(folder: Path) -> SealedVault:
    return await SealedVault.open(folder / "state" / "vault.json", KeySources({}, folder / "keys"))


def _all(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


def _edit(folder: Path, **changes: Any) -> None:
    path = folder / "state" / "vault.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


async def test_kept_across_restarts_in_private_files(tmp_path: Path):
    await (await _open(tmp_path)).put("gateway-token", SECRET)
    assert await (await _open(tmp_path)).get("gateway-token") == SECRET
    for path in _all(tmp_path):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


async def test_no_file_shows_a_secret(tmp_path: Path):
    await (await _open(tmp_path)).put("a", SECRET)
    needles = [SECRET.encode(), base64.b64encode(SECRET.encode())]
    for path in _all(tmp_path):
        if path.is_file():
            assert not any(needle in path.read_bytes() for needle in needles)


async def test_each_seal_is_fresh(tmp_path: Path):
    vault = await _open(tmp_path)
    await vault.put("a", SECRET)
    await vault.put("b", SECRET)
    entries = json.loads((tmp_path / "state" / "vault.json").read_text())["entries"]
    assert entries["a"] != entries["b"]


async def test_entries_cannot_be_swapped(tmp_path: Path):
    vault = await _open(tmp_path)
    await vault.put("a", "one")
    await vault.put("b", "two")
    entries = json.loads((tmp_path / "state" / "vault.json").read_text())["entries"]
    _edit(tmp_path, entries={"a": entries["b"], "b": "!!", "c": ""})
    for name in ("a", "b", "c"):
        with pytest.raises(Failed, match="altered"):
            await vault.get(name)


async def test_an_altered_head_opens_nothing(tmp_path: Path):
    await (await _open(tmp_path)).put("a", "one")
    key = json.loads((tmp_path / "state" / "vault.json").read_text())["key"]
    other = tmp_path / "keys" / "vault-other.key"
    other.write_bytes((tmp_path / "keys" / f"vault-{key['id']}.key").read_bytes())
    _edit(tmp_path, key={**key, "id": "other"})
    with pytest.raises(Failed, match="cannot be opened"):
        await _open(tmp_path)


@pytest.mark.parametrize("damage", ["", "{", "null", '{"format": "other"}', "\x00\xff"])
async def test_a_damaged_file_is_said_and_kept(tmp_path: Path, damage: str):
    await _open(tmp_path)
    path = tmp_path / "state" / "vault.json"
    path.write_text(damage)
    with pytest.raises(Failed, match="damaged"):
        await _open(tmp_path)
    assert path.read_text() == damage


async def test_a_lost_key_does_not_mean_a_new_vault(tmp_path: Path):
    await (await _open(tmp_path)).put("a", "one")
    before = (tmp_path / "state" / "vault.json").read_bytes()
    for path in (tmp_path / "keys").iterdir():
        path.unlink()
    with pytest.raises(Failed, match="put it back from your backup"):
        await _open(tmp_path)
    assert (tmp_path / "state" / "vault.json").read_bytes() == before


async def test_two_processes_see_each_other(tmp_path: Path):
    one, two = await _open(tmp_path), await _open(tmp_path)
    await one.put("a", "one")
    assert await two.get("a") == "one"
    await two.put("a", "two")
    assert await one.get("a") == "two"


async def test_parallel_changes_lose_nothing(tmp_path: Path):
    vaults = [await _open(tmp_path) for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(vaults[number % 3].put(f"n{number}", str(number)))
    assert len(await vaults[0].names()) == 12


async def test_parallel_first_starts_make_one_vault(tmp_path: Path):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_open(tmp_path)) for _ in range(4)]
    first, *others = [task.result() for task in tasks]
    await first.put("a", "one")
    assert [await vault.get("a") for vault in others] == ["one"] * 3
    assert len(list((tmp_path / "keys").iterdir())) == 1


async def test_parallel_makers_agree_on_one_secret(tmp_path: Path):
    vaults = [await _open(tmp_path) for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(vault.get_or_put("a", lambda n=number: f"made {n}"))
            for number, vault in enumerate(vaults)
        ]
    assert len({task.result() for task in tasks}) == 1


async def test_a_vanished_file_is_said(tmp_path: Path):
    vault = await _open(tmp_path)
    (tmp_path / "state" / "vault.json").unlink()
    with pytest.raises(Failed, match="is gone"):
        await vault.get("a")


async def test_a_full_disk_keeps_the_old_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    vault = await _open(tmp_path)
    await vault.put("a", "one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Failed, match="No space left"):
            await vault.put("a", "two")
    assert await vault.get("a") == "one"
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"vault.json", "vault.lock"}


async def test_unusable_places_are_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match=r"cannot be (used|read)"):
        await SealedVault.open(tmp_path / "file" / "vault.json", KeySources({}, tmp_path / "k"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(Failed, match="cannot be read"):
        await SealedVault.open(tmp_path / "folder", KeySources({}, tmp_path / "k"))
