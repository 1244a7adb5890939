"""The key comes from where the vault says, and from nowhere else."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from carapace.credentials import keysource
from carapace.credentials.header import KeyInfo
from carapace.credentials.keysource import KEY_BYTES, KeySources, key_folder
from carapace.errors import Failed

DESKTOP = {"DISPLAY": ":0", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}


class FakeKeyring:
    """Stands at the boundary of the operating system's keyring."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.kept: dict[str, str] = {}
        self.trouble = trouble

    def get(self, name: str) -> str | None:
        if self.trouble:
            raise self.trouble
        return self.kept.get(name)

    def put(self, name: str, value: str) -> None:
        if self.trouble:
            raise self.trouble
        self.kept[name] = value


class HangingKeyring(FakeKeyring):
    """Waits for a prompt that nobody answers."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def put(self, name: str, value: str) -> None:
        self.released.wait(30)


async def test_without_anything_a_key_file_is_made(tmp_path: Path):
    sources = KeySources({}, tmp_path / "keys")
    info, key = await sources.create()
    assert (info.source, len(key)) == ("file", KEY_BYTES)
    assert await sources.unlock(info) == key
    sources.discard(info)
    with pytest.raises(Failed, match="CARAPACE_VAULT_KEY_DIR"):
        await sources.unlock(info)


async def test_on_a_desktop_the_keyring_keeps_it(tmp_path: Path):
    keyring = FakeKeyring()
    sources = KeySources(DESKTOP, tmp_path / "keys", keyring=keyring)
    info, key = await sources.create()
    assert info.source == "keyring"
    assert list(keyring.kept) == [f"vault-{info.id}"]
    assert not (tmp_path / "keys").exists()
    assert await sources.unlock(info) == key
    sources.discard(info)
    keyring.kept.clear()
    with pytest.raises(Failed, match="no key for this vault"):
        await sources.unlock(info)


async def test_a_keyring_that_refuses_means_a_key_file(tmp_path: Path):
    sources = KeySources(DESKTOP, tmp_path, keyring=FakeKeyring(RuntimeError("locked")))
    assert (await sources.create())[0].source == "file"


async def test_a_keyring_that_hangs_does_not_hold_up_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keysource, "_FIRST_DEADLINE_S", 0.02)
    keyring = HangingKeyring()
    sources = KeySources(DESKTOP, tmp_path, keyring=keyring)
    assert (await sources.create())[0].source == "file"
    keyring.released.set()


async def test_a_locked_keyring_of_an_existing_vault_is_no_reason_for_another_key(tmp_path: Path):
    sources = KeySources(DESKTOP, tmp_path, keyring=FakeKeyring(RuntimeError("locked")))
    with pytest.raises(Failed, match="unlock the keyring"):
        await sources.unlock(KeyInfo(source="keyring", id="x"))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id as small as it gets; its cost is not what these tests are about."""
    monkeypatch.setattr(keysource, "_MEMORY_KIB", 32)
    monkeypatch.setattr(keysource, "_ITERATIONS", 1)


@pytest.mark.usefixtures("cheap")
async def test_a_passphrase_comes_first(tmp_path: Path):
    path = tmp_path / "pass"
    path.write_text("correct horse\n")
    env = {**DESKTOP, "CARAPACE_VAULT_PASSPHRASE_FILE": str(path)}
    info, key = await KeySources(env, tmp_path, keyring=FakeKeyring()).create()
    assert info.source == "passphrase"
    assert await KeySources(env, tmp_path).unlock(info) == key
    path.write_text("battery staple")
    assert await KeySources(env, tmp_path).unlock(info) != key
    with pytest.raises(Failed, match="CARAPACE_VAULT_PASSPHRASE_FILE"):
        await KeySources({}, tmp_path).unlock(info)


@pytest.mark.usefixtures("cheap")
async def test_a_systemd_credential_is_a_passphrase(tmp_path: Path):
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert (await KeySources(env, tmp_path / "k").create())[0].source == "file"
    (tmp_path / "carapace-vault-passphrase").write_text("correct horse")
    assert (await KeySources(env, tmp_path / "k").create())[0].source == "passphrase"


@pytest.mark.parametrize("content", [None, "", "\n"])
async def test_a_named_but_useless_passphrase_file_stops(tmp_path: Path, content: str | None):
    path = tmp_path / "pass"
    if content is not None:
        path.write_text(content)
    sources = KeySources({"CARAPACE_VAULT_PASSPHRASE_FILE": str(path)}, tmp_path)
    with pytest.raises(Failed, match="passphrase file"):
        await sources.create()


@pytest.mark.parametrize(
    "info",
    [
        KeyInfo(source="passphrase", id="x"),
        KeyInfo(source="passphrase", id="x", salt="AAAA", memory_kib=2**30, iterations=1, lanes=1),
    ],
)
async def test_a_head_with_absurd_costs_is_refused(tmp_path: Path, info: KeyInfo):
    path = tmp_path / "pass"
    path.write_text("x")
    with pytest.raises(Failed, match="head"):
        await KeySources({"CARAPACE_VAULT_PASSPHRASE_FILE": str(path)}, tmp_path).unlock(info)


@pytest.mark.parametrize("content", [b"", b"AAAA", b"not base64 !", b"\xff"])
async def test_a_broken_key_file_is_said(tmp_path: Path, content: bytes):
    (tmp_path / "vault-x.key").write_bytes(content)
    with pytest.raises(Failed, match="backup"):
        await KeySources({}, tmp_path).unlock(KeyInfo(source="file", id="x"))


async def test_a_folder_that_cannot_be_written_names_the_ways_out(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match="CARAPACE_VAULT_PASSPHRASE_FILE"):
        await KeySources({}, tmp_path / "file" / "keys").create()


def test_key_files_live_apart_from_the_state():
    home = Path("/home/ada")
    assert key_folder({}, home) == home / ".config" / "carapace"
    assert key_folder({"XDG_CONFIG_HOME": "/x"}, home) == Path("/x/carapace")
    assert key_folder({"CARAPACE_VAULT_KEY_DIR": "/k"}, home) == Path("/k")
