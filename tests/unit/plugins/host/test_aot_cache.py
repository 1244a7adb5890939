"""Nothing is taken from the cache but what we have written under that very name."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from carapace.errors import Failed
from carapace.plugins.host import aot_cache
from carapace.plugins.host.aot_cache import AotCache, cache_name, open_aot_cache
from support.egress import AuditTrail
from support.plugin_house import sealed

KEY = b"k" * 32
NAME = cache_name("11" * 32, "engine 1")
OTHER = cache_name("22" * 32, "engine 1")
CODE = b"native code " * 1_000


@pytest.fixture
def trail(tmp_path: Path) -> AuditTrail:
    return AuditTrail(tmp_path / "audit")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "plugin-cache"


@pytest.fixture
def cache(folder: Path, trail: AuditTrail) -> AotCache:
    return AotCache(folder, KEY, audit=trail.audit)


async def keep(cache: AotCache, name: str = NAME, code: bytes = CODE) -> None:
    with sealed(code) as artifact:
        await cache.keep(name, artifact)


async def take(cache: AotCache, name: str = NAME) -> bytes | None:
    artifact = await cache.take(name)
    if artifact is None:
        return None
    with artifact:
        return os.pread(artifact.fd, artifact.size_bytes, 0)


def file_of(folder: Path, name: str = NAME) -> Path:
    return folder / f"{name}.compiled"


def rewrite(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(0o400)


async def test_what_was_kept_comes_back(cache: AotCache, trail: AuditTrail):
    assert await take(cache) is None
    await keep(cache)
    assert await take(cache) == CODE
    assert await take(cache, OTHER) is None
    assert trail.lines() == []


async def test_only_we_may_look_and_nobody_may_write(cache: AotCache, folder: Path):
    folder.mkdir(mode=0o755)
    await keep(cache)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file_of(folder).stat().st_mode) == 0o400


async def test_a_newer_compilation_takes_the_place_of_the_older(cache: AotCache):
    await keep(cache)
    await keep(cache, code=b"newer")
    assert await take(cache) == b"newer"


async def test_any_flipped_byte_is_found_and_the_file_removed(
    cache: AotCache, folder: Path, trail: AuditTrail
):
    await keep(cache, code=b"code" * 30)
    good = file_of(folder).read_bytes()
    for at in range(len(good)):
        rewrite(file_of(folder), good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert await take(cache) is None, at
        assert not file_of(folder).exists()
    assert {line["kind"] for line in trail.lines()} == {"plugin.cache_refused"}
    assert len(trail.lines()) == len(good)


def shorter(path: Path) -> None:
    rewrite(path, path.read_bytes()[:-1])


def longer(path: Path) -> None:
    rewrite(path, path.read_bytes() + b"\0")


def emptied(path: Path) -> None:
    rewrite(path, b"")


def of_another_key(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(b"\0" * 32 + data[32:])
    path.chmod(0o400)


def readable_by_all(path: Path) -> None:
    path.chmod(0o444)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link(path: Path) -> None:
    real = path.with_suffix(".real")
    path.rename(real)
    path.symlink_to(real)


@pytest.mark.parametrize(
    "spoil", [shorter, longer, emptied, of_another_key, readable_by_all, a_folder, a_link]
)
async def test_what_is_not_as_we_leave_it_is_not_used(
    cache: AotCache, folder: Path, trail: AuditTrail, spoil: Callable[[Path], None]
):
    await keep(cache)
    spoil(file_of(folder))
    assert await take(cache) is None
    assert [line["kind"] for line in trail.lines()] == ["plugin.cache_refused"]


async def test_code_of_one_plugin_does_not_pass_for_that_of_another(cache: AotCache, folder: Path):
    await keep(cache, NAME, b"harmless")
    await keep(cache, OTHER, b"powerful")
    file_of(folder, OTHER).replace(file_of(folder, NAME))
    assert await take(cache, NAME) is None


async def test_a_file_of_somebody_else_is_not_used(
    cache: AotCache, monkeypatch: pytest.MonkeyPatch, trail: AuditTrail
):
    await keep(cache)
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    assert await take(cache) is None
    assert trail.lines()[0]["reason"] == "it is no file of ours"


async def test_a_file_that_is_too_long_is_not_used(
    cache: AotCache, monkeypatch: pytest.MonkeyPatch, trail: AuditTrail
):
    await keep(cache)
    monkeypatch.setattr(aot_cache, "MAX_COMPILED_BYTES", 100)
    assert await take(cache) is None
    assert "longer than 100 bytes" in trail.lines()[0]["reason"]


async def test_the_longest_unused_go_when_there_is_no_room(folder: Path, trail: AuditTrail):
    cache = AotCache(folder, KEY, audit=trail.audit, max_total_bytes=3_500)
    names = [cache_name(f"{n:064x}", "") for n in range(4)]
    for age, name in enumerate(names[:3]):
        await keep(cache, name, b"x" * 1_000)
        os.utime(file_of(folder, name), (age + 1, age + 1))
    assert await take(cache, names[0]) is not None, "used again: now the youngest"
    await keep(cache, names[3], b"x" * 1_000)
    left = [name for name in names if file_of(folder, name).exists()]
    assert left == [names[0], names[2], names[3]]


async def test_drafts_that_a_crash_left_are_swept_and_folders_left_alone(
    cache: AotCache, folder: Path
):
    (folder / "sub").mkdir(parents=True)
    (folder / ".draft").write_bytes(b"half")
    await keep(cache)
    assert sorted(path.name for path in folder.iterdir()) == sorted([f"{NAME}.compiled", "sub"])


async def test_a_disk_that_does_not_take_it_costs_only_the_next_start(
    cache: AotCache, folder: Path
):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    await keep(cache)
    assert await take(cache) is None


async def test_a_write_that_fails_leaves_no_draft(
    cache: AotCache, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        await keep(cache)
    assert list(folder.iterdir()) == []


async def test_what_is_forgotten_is_gone(cache: AotCache):
    await keep(cache)
    await cache.forget(NAME)
    await cache.forget(NAME)
    assert await take(cache) is None


def test_a_name_depends_on_component_and_engine():
    assert len({cache_name(wasm, made) for wasm in ("aa", "bb") for made in ("1", "2")}) == 4


class Vault:
    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets

    async def get_or_put(self, name: str, make: Callable[[], str]) -> str:
        return self.secrets.setdefault(name, make())


async def test_the_key_is_made_once_and_kept_in_the_vault(folder: Path, trail: AuditTrail):
    vault = Vault()
    await keep(await open_aot_cache(folder, vault, audit=trail.audit))
    assert await take(await open_aot_cache(folder, vault, audit=trail.audit)) == CODE
    assert len(base64.b64decode(vault.secrets["plugin-cache-key"])) == 32
    assert await take(await open_aot_cache(folder, Vault(), audit=trail.audit)) is None


@pytest.mark.parametrize("text", ["", "short", "c2hvcnQ=", "ä"])
async def test_a_secret_that_is_no_key_is_told_with_what_to_do(
    folder: Path, trail: AuditTrail, text: str
):
    vault = Vault(**{"plugin-cache-key": text})
    with pytest.raises(Failed, match="delete it"):
        await open_aot_cache(folder, vault, audit=trail.audit)
