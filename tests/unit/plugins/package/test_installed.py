"""What is installed is checked anew at each load; any change on the disk is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from carapace.errors import Failed
from carapace.plugins.package.contents import Contents, verify
from carapace.plugins.package.files import PluginFiles
from carapace.plugins.package.installed import Installed
from carapace.plugins.package.lock import write_lock
from carapace.plugins.package.permissions import Ask
from carapace.plugins.package.publishers import Trust
from carapace.plugins.package.transparency import Event
from carapace.plugins.state import PluginRefused, Refusal
from support.packages import ADMIN, KEY, LOCK_KEY, PUBLISHER, TRUST, WASM, contents, install


@pytest.fixture
def store(tmp_path: Path):
    opened = install(tmp_path, contents(permissions='http = ["GET https://a.example/v1/**"]'))
    yield opened
    opened.close()


def take(store: Installed, given: Contents, event: Event = Event.UPGRADED, trust: Trust = TRUST):
    package = verify(given, trust)
    store.stage(package, source="test", change=ADMIN)
    return store.activate(
        store.load_version(package.manifest.id, package.digest, trust), ADMIN, event=event
    )


def refused(store: Installed, trust: Trust = TRUST, plugin_id: str = "hello") -> PluginRefused:
    with pytest.raises(PluginRefused) as caught:
        store.load(plugin_id, trust)
    return caught.value


def file(tmp_path: Path, name: str) -> Path:
    (found,) = (tmp_path / "store").glob(f"*/{name}")
    return found


def test_an_installed_plugin_is_loaded(store: Installed):
    found = store.load("hello", TRUST)
    assert (found.id, found.version, found.is_signed) == ("hello", "1.0.0", True)
    assert found.wasm.read_bytes() == WASM
    assert found.wasm.parent.name == found.digest
    own = store.read().plugins["hello"]
    assert (own.highest, own.pending, own.enabled) == ("1.0.0", None, True)


def test_it_is_still_there_after_a_restart(store: Installed, tmp_path: Path):
    again = Installed(tmp_path, LOCK_KEY)
    assert again.load("hello", TRUST) == store.load("hello", TRUST)
    again.close()


@pytest.mark.parametrize("name", ["plugin.wasm", "plugin.toml", "plugin.sig"])
def test_a_flipped_byte_is_refused_with_the_files_name(store: Installed, tmp_path: Path, name: str):
    path = file(tmp_path, name)
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    error = refused(store)
    assert error.refusal is Refusal.CHANGED
    assert name in error.message


@pytest.mark.parametrize("name", ["plugin.wasm", "plugin.toml", "plugin.sig"])
def test_a_missing_file_is_refused_with_its_name(store: Installed, tmp_path: Path, name: str):
    file(tmp_path, name).unlink()
    assert name in refused(store).message


def test_a_file_too_many_is_refused(store: Installed, tmp_path: Path):
    (file(tmp_path, "plugin.wasm").parent / "more").write_text("x")
    assert "does not belong there" in refused(store).message


def test_a_link_in_place_of_its_folder_is_refused(store: Installed, tmp_path: Path):
    folder = file(tmp_path, "plugin.wasm").parent
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    assert "its folder" in refused(store).message


def test_a_folder_under_another_name_is_refused(store: Installed, tmp_path: Path):
    folder = file(tmp_path, "plugin.wasm").parent
    folder.rename(folder.with_name("ab" * 32))
    assert refused(store).refusal is Refusal.CHANGED


def test_whom_nobody_trusts_any_more_is_not_loaded(store: Installed):
    assert refused(store, Trust()).refusal is Refusal.PUBLISHER


def test_an_unsigned_one_is_loaded_only_while_it_may(tmp_path: Path):
    lax = Trust(allow_unsigned=True)
    store = install(tmp_path, contents(key=None), trust=lax)
    assert not store.load("hello", lax).is_signed
    assert refused(store, Trust()).refusal is Refusal.UNSIGNED
    file(tmp_path, "plugin.wasm").chmod(0o600)
    file(tmp_path, "plugin.wasm").write_bytes(b"other")
    assert refused(store, lax).refusal is Refusal.CHANGED
    store.close()


def test_what_is_not_here_is_not_loaded(store: Installed):
    assert refused(store, plugin_id="other").refusal is Refusal.UNKNOWN
    with pytest.raises(PluginRefused) as caught:
        store.load_version("hello", "ab" * 32, TRUST)
    assert caught.value.refusal is Refusal.UNKNOWN


def test_what_waits_is_not_loaded(store: Installed):
    store.stage(verify(contents(plugin_id="other"), TRUST), source="t", change=ADMIN)
    assert refused(store, plugin_id="other").refusal is Refusal.CONSENT


def test_an_upgrade_waits_and_the_old_version_stays(store: Installed):
    package = verify(contents(version="1.1.0"), TRUST)
    own = store.stage(package, source="t", change=ADMIN)
    assert own.pending == package.digest
    assert store.load("hello", TRUST).version == "1.0.0"
    take(store, contents(version="1.1.0"))
    own = store.read().plugins["hello"]
    assert (own.pending, own.highest) == (None, "1.1.0")
    assert store.load("hello", TRUST).version == "1.1.0"


def test_a_newer_version_takes_the_place_of_one_that_waits(store: Installed, tmp_path: Path):
    for version in ("1.1.0", "1.2.0"):
        store.stage(verify(contents(version=version), TRUST), source="t", change=ADMIN)
    own = store.read().plugins["hello"]
    assert [one.version for one in own.versions] == ["1.0.0", "1.2.0"]
    assert len(list((tmp_path / "store").iterdir())) == 2


def test_installing_again_what_is_in_use_mends_it(store: Installed, tmp_path: Path):
    file(tmp_path, "plugin.sig").unlink()
    given = contents(permissions='http = ["GET https://a.example/v1/**"]')
    own = store.stage(verify(given, TRUST), source="t", change=ADMIN)
    assert own.pending is None
    assert store.load("hello", TRUST).version == "1.0.0"


def test_an_older_version_is_refused_on_every_way(store: Installed):
    take(store, contents(version="1.1.0", more='rollback_floor = "1.1.0"'))
    with pytest.raises(PluginRefused, match="below"):
        store.stage(verify(contents(version="1.0.0"), TRUST), source="t", change=ADMIN)
    older = store.read().plugins["hello"].versions[0]
    with pytest.raises(PluginRefused, match=r"below 1\.1\.0"):
        store.load_version("hello", older.digest, TRUST)


def test_the_order_holds_after_a_removal(store: Installed, tmp_path: Path):
    take(store, contents(version="1.1.0"))
    store.remove("hello", ADMIN)
    assert list((tmp_path / "store").iterdir()) == []
    assert refused(store).refusal is Refusal.UNKNOWN
    with pytest.raises(PluginRefused, match="is older"):
        store.stage(verify(contents(version="1.0.0"), TRUST), source="t", change=ADMIN)
    take(store, contents(version="1.1.0"), Event.INSTALLED)
    assert store.load("hello", TRUST).version == "1.1.0"


def test_it_is_switched_off_and_on(store: Installed):
    assert not store.switch("hello", ADMIN, enabled=False).enabled
    take(store, contents(version="1.1.0"))
    assert not store.read().plugins["hello"].enabled, "an upgrade switches nothing on"
    assert store.switch("hello", ADMIN, enabled=True).enabled


def forge(store: Installed, tmp_path: Path, **changes: object) -> None:
    """Write another lock file, as only the gateway itself could."""
    lock = store.read()
    forged = replace(lock.plugins["hello"], **changes)
    assert lock.last_line is not None
    data = write_lock(lock.with_plugin(forged, lock.last_line), LOCK_KEY)
    (tmp_path / "lock.json").write_bytes(data)


def test_more_than_was_agreed_to_is_not_loaded(store: Installed, tmp_path: Path):
    forge(store, tmp_path, agreed=Ask(roles=("tool",)))
    assert refused(store).refusal is Refusal.CONSENT
    forge(store, tmp_path, agreed=None)
    assert refused(store).refusal is Refusal.CONSENT


def test_what_the_log_knows_nothing_of_is_not_loaded(store: Installed, tmp_path: Path):
    (kept,) = store.read().plugins["hello"].versions
    other = replace(kept, digest="ab" * 32)
    forge(store, tmp_path, versions=(other,), active=other.digest)
    error = refused(store)
    assert error.refusal is Refusal.LOG
    assert "knows nothing of this hello" in error.message


def test_a_package_of_another_number_is_not_loaded(store: Installed, tmp_path: Path):
    (kept,) = store.read().plugins["hello"].versions
    forge(store, tmp_path, versions=(replace(kept, version="1.0.1"),))
    assert refused(store).refusal is Refusal.CHANGED


def test_what_waits_can_be_let_go_of(store: Installed):
    store.stage(verify(contents(version="1.1.0"), TRUST), source="t", change=ADMIN)
    store.discard("hello", ADMIN)
    own = store.read().plugins["hello"]
    assert (own.pending, len(own.versions)) == (None, 1)
    store.discard("hello", ADMIN)
    assert store.read().plugins["hello"] == own


def test_a_manifest_that_was_changed_is_not_shown(store: Installed, tmp_path: Path):
    kept = store.read().plugins["hello"].versions[0]
    shown = store.manifest(kept)
    assert shown is not None
    assert shown.name == "Hello"
    path = file(tmp_path, "plugin.toml")
    path.chmod(0o600)
    path.write_bytes(contents(key=KEY, version="9.0.0").manifest)
    assert store.manifest(kept) is None
    path.unlink()
    assert store.manifest(kept) is None


def test_only_what_was_kept_is_used(store: Installed):
    found = store.load("hello", TRUST)
    store.remove("hello", ADMIN)
    take(store, contents(version="1.1.0"), Event.INSTALLED)
    with pytest.raises(PluginRefused) as caught:
        store.activate(found, ADMIN, event=Event.UPGRADED)
    assert caught.value.refusal is Refusal.UNKNOWN


def test_a_full_disk_is_told_and_changes_nothing(store: Installed, monkeypatch):
    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PluginFiles, "keep", full)
        with pytest.raises(Failed, match="No space left"):
            store.stage(verify(contents(version="1.1.0"), TRUST), source="t", change=ADMIN)
    assert store.load("hello", TRUST).version == "1.0.0"


def test_the_log_says_who_did_what(store: Installed, tmp_path: Path):
    text = (tmp_path / "log.jsonl").read_text()
    assert [f'"event":"{one}"' in text for one in ("staged", "installed")] == [True, True]
    assert PUBLISHER in text
    assert (tmp_path / "log.jsonl").stat().st_mode & 0o077 == 0
