"""A thousand ways to change a signed plugin after it was agreed to; none of them loads.

The machine never sees any of these bytes: the check does not care what the component holds, so
a small one stands in for a real one.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from carapace.plugins.package.archive import pack, unpack
from carapace.plugins.package.contents import Contents, verify
from carapace.plugins.package.installed import Installed
from carapace.plugins.state import PluginRefused, Refusal
from support.packages import ADMIN, TRUST, contents, install

AGREED = 'http = ["GET https://a.example/v1/**"]'
WIDER = [
    'http = ["GET,POST https://a.example/v1/**"]',
    'http = ["GET https://a.example/**"]',
    'http = ["GET https://a.example/v1/**", "GET https://b.example/"]',
    'http = ["GET http://a.example/v1/**"]',
    'http = ["GET https://*.a.example/v1/**"]',
    'http = ["GET https://a.example:8443/v1/**"]',
    f'{AGREED}\ncredentials = ["token"]',
    f"{AGREED}\nmedia = true",
    f"{AGREED}\ninbound = true",
    f"{AGREED}\ncrypto = true",
    f"{AGREED}\nagent = true",
    f"{AGREED}\nkv_max_bytes = 1",
]
MUTATIONS = 1_000

Mutate = Callable[[random.Random, bytes], bytes]


def flip(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]


def overwrite(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    other = rng.choice([one for one in range(256) if one != data[place]])
    return data[:place] + bytes([other]) + data[place + 1 :]


def insert(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(1) + data[place:]


def delete(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + data[place + 1 :]


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


WAYS: tuple[Mutate, ...] = (flip, flip, overwrite, insert, delete, cut)


def targets(root: Path) -> dict[str, Path]:
    """The files that a load depends on, by their names."""
    kept = {path.name: path for path in (root / "store").glob("*/*")}
    return {**kept, "lock.json": root / "lock.json"}


def loads(store: Installed) -> bool:
    try:
        store.load("hello", TRUST)
    except PluginRefused:
        return False
    return True


@pytest.mark.slow
def test_no_mutation_of_an_installed_plugin_loads(tmp_path: Path):
    """Each changes one file at one place, as a virus or a failing disk would."""
    store = install(tmp_path, contents(permissions=AGREED))
    rng = random.Random(4)
    files = targets(tmp_path)
    assert sorted(files) == ["lock.json", "plugin.sig", "plugin.toml", "plugin.wasm"]
    done = dict.fromkeys(files, 0)
    while sum(done.values()) < MUTATIONS:
        name = rng.choice(sorted(files))
        original = files[name].read_bytes()
        changed = rng.choice(WAYS)(rng, original)
        if changed == original:
            continue
        files[name].chmod(0o600)
        files[name].write_bytes(changed)
        assert not loads(store), f"{name} was changed and it loaded: {changed!r}"
        files[name].write_bytes(original)
        done[name] += 1
    assert min(done.values()) > MUTATIONS // 8
    assert loads(store), "unchanged it still does"
    store.close()


@pytest.mark.slow
def test_every_single_byte_of_lock_and_signature_counts(tmp_path: Path):
    store = install(tmp_path, contents())
    for name in ("plugin.sig", "lock.json"):
        path = targets(tmp_path)[name]
        path.chmod(0o600)
        original = path.read_bytes()
        for place in range(0, len(original), 1 if name == "plugin.sig" else 7):
            changed = bytearray(original)
            changed[place] ^= 1
            path.write_bytes(changed)
            assert not loads(store), f"{name}, byte {place}"
        path.write_bytes(original)
    store.close()


@pytest.mark.parametrize("permissions", WIDER)
def test_a_wider_version_is_not_used_however_well_it_is_signed(tmp_path: Path, permissions: str):
    """Its publisher's key may have been stolen, or its publisher changed their mind."""
    store = install(tmp_path, contents(permissions=AGREED))
    package = verify(contents(version="1.1.0", permissions=permissions), TRUST)
    store.stage(package, source="test", change=ADMIN)
    assert store.load("hello", TRUST).version == "1.0.0"
    store.close()


@pytest.mark.parametrize("version", ["0.0.1", "0.9.9", "1.0.0-rc.1", "1.4.9", "1.5.0-beta"])
def test_an_older_version_is_not_even_kept(tmp_path: Path, version: str):
    store = install(tmp_path, contents(version="1.5.0"))
    package = verify(contents(version=version), TRUST)
    with pytest.raises(PluginRefused) as caught:
        store.stage(package, source="test", change=ADMIN)
    assert caught.value.refusal is Refusal.OLDER
    assert store.load("hello", TRUST).version == "1.5.0"
    store.close()


def test_parts_of_two_good_packages_make_no_third():
    one, two = contents(), contents(version="1.1.0", wasm=b"other")
    for mixed in (
        Contents(one.manifest, two.wasm, one.signature),
        Contents(one.manifest, one.wasm, two.signature),
        Contents(two.manifest, one.wasm, two.signature),
        Contents(two.manifest, one.wasm, one.signature),
    ):
        with pytest.raises(PluginRefused) as caught:
            verify(mixed, TRUST)
        assert caught.value.refusal is Refusal.SIGNATURE


def test_what_is_put_back_from_an_older_state_is_noticed(tmp_path: Path):
    """The lock of yesterday is one that the gateway wrote itself; the log is ahead of it."""
    store = install(tmp_path, contents())
    yesterday = (tmp_path / "lock.json").read_bytes()
    store.switch("hello", ADMIN, enabled=False)
    (tmp_path / "lock.json").write_bytes(yesterday)
    assert not loads(store)
    store.close()


@pytest.mark.slow
def test_a_changed_log_lets_nothing_load(tmp_path: Path):
    store = install(tmp_path, contents())
    path = tmp_path / "log.jsonl"
    original = path.read_bytes()
    rng = random.Random(5)
    for _ in range(100):
        changed = flip(rng, original[:-1]) + b"\n"
        path.write_bytes(changed)
        assert not loads(store), changed
    path.write_bytes(original)
    assert loads(store)
    store.close()


def test_a_changed_package_file_is_refused_or_still_the_same():
    """Some bytes of a zip file mean nothing, such as the time of day; nothing else may change."""
    given = contents()
    data = pack(given)
    rng = random.Random(6)
    for _ in range(300):
        changed = rng.choice(WAYS)(rng, data)
        try:
            found = unpack(changed)
            verify(found, TRUST)
        except PluginRefused:
            continue
        assert found == given
