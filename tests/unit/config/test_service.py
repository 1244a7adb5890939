from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest

from carapace.config.files import text_hash
from carapace.config.issue import Issue
from carapace.config.load import Overrides
from carapace.config.paths import Paths
from carapace.config.redact import MARKER
from carapace.config.service import ConfigService
from carapace.config.settings import Settings
from carapace.errors import Failed, Refused
from support.clock import FakeClock


class House:
    """One configuration file with its service, and what the service told."""

    def __init__(self, folder):
        self.paths = Paths(folder / "conf" / "carapace.json", folder / "state")
        self.paths.config_path.parent.mkdir()
        self.told = []

    def write(self, text):
        self.paths.config_path.write_text(text)

    def open(self, env=None, flags=None):
        return ConfigService(
            self.paths,
            Overrides(env or {}, flags or {}),
            tell=lambda level, text: self.told.append((level, text)),
        )


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_no_file_means_defaults_and_no_trouble(house):
    service = house.open()
    assert service.settings == Settings()
    assert (service.source, service.trouble(), house.told) == ("defaults", None, [])
    assert not service.snapshot().exists
    assert not house.paths.last_good.exists()


def test_a_good_file_is_used_and_kept(house):
    house.write("{gateway: {port: 5}}")
    service = house.open()
    assert (service.settings.gateway.port, service.source) == (5, "file")
    assert house.paths.last_good.stat().st_mode & 0o777 == 0o600
    assert service.paths is house.paths


@pytest.mark.parametrize("broken", ["{gateway", "{gateway: {port: 'x'}}", "{$include: 'no.json'}"])
def test_a_broken_file_boots_the_last_good_one_and_says_so(house, broken):
    house.write("{gateway: {port: 5}}")
    house.open()
    house.write(broken)
    service = house.open()
    assert (service.settings.gateway.port, service.source) == (5, "last-good")
    assert not service.snapshot().valid
    assert service.snapshot().source == "last-good"
    assert "last good configuration" in str(service.trouble())
    assert ("error", "Started on the last good configuration.") in house.told


def test_the_last_good_one_has_its_includes(house):
    part = house.paths.config_path.parent / "part.json"
    house.write("{$include: 'part.json'}")
    part.write_text("{gateway: {port: 5}}")
    house.open()
    part.write_text("{gateway: {port: }}")
    assert house.open().settings.gateway.port == 5


def test_a_broken_file_without_a_last_good_one_is_never_wide_open(house):
    house.write("{gateway: {bind: 'lan', auth: ")
    service = house.open()
    assert service.settings.gateway.bind == "loopback"
    assert (service.source, "safe defaults" in str(service.trouble())) == ("defaults", True)


def test_a_last_good_one_that_no_longer_works_is_not_used(house):
    house.write("{models: {providers: {p: {apiKey: '${K}'}}}}")
    house.open({"K": "x"})
    service = house.open()
    assert service.source == "defaults"
    assert "the variable K is missing" in str(service.trouble())


def test_a_wrong_variable_or_flag_does_not_stop_the_start(house):
    service = house.open({"CARAPACE_GATEWAY_PORT": "x"})
    assert service.settings == Settings()
    assert "CARAPACE_GATEWAY_PORT" in str(service.trouble())
    assert house.open(flags={("gateway", "bind"): "moon"}).settings == Settings()


def test_a_reload_tells_what_changed_and_what_waits(house):
    house.write("{}")
    service = house.open()
    heard = []
    stop = service.subscribe(lambda old, new, found: heard.append((old, new, found)))
    house.write("{gateway: {port: 7}, logging: {level: 'debug'}}")
    found = service.reload()
    assert [(one.key, one.live) for one in found] == [
        ("gateway.port", False),
        ("logging.level", True),
    ]
    assert heard == [(Settings(), service.settings, found)]
    assert service.restart_needed == ("gateway.port",)
    assert ("warning", "Restart the gateway to apply: gateway.port.") in house.told
    assert service.reload() == ()
    stop()
    house.write("{}")
    service.reload()
    assert len(heard) == 1
    assert service.restart_needed == ()


@pytest.mark.parametrize("mode", ["off", "restart"])
def test_without_hot_reload_everything_waits(house, mode):
    house.write(f"{{gateway: {{reload: {{mode: '{mode}'}}}}}}")
    service = house.open()
    house.write(f"{{gateway: {{reload: {{mode: '{mode}'}}}}, logging: {{level: 'debug'}}}}")
    assert [one.key for one in service.reload()] == ["logging.level"]
    assert service.settings.logging.level == "info"
    assert service.restart_needed == ("logging.level",)


def test_a_broken_reload_changes_nothing_but_says_so(house):
    house.write("{gateway: {port: 5}}")
    service = house.open()
    house.write("{gateway: {port: 5")
    assert service.reload() == ()
    assert (service.settings.gateway.port, service.source) == (5, "last-good")
    assert service.trouble() is not None
    house.write("{gateway: {port: 5}}")
    service.reload()
    assert (service.trouble(), service.source) == (None, "file")


def test_the_snapshot_is_built_once_per_change(house):
    house.write("{gateway: {auth: {token: 'hunter2'}}}")
    service = house.open()
    assert service.snapshot() is service.snapshot()
    assert service.payload() is service.payload()
    assert b"hunter2" not in bytes(service.payload())
    assert msgspec.json.decode(service.payload())["hash"] == service.snapshot().hash


def test_a_write_keeps_hidden_secrets_and_references(house):
    text = "{gateway: {auth: {token: 'hunter2', password: '${P}'}}}"
    house.write(text)
    service = house.open({"P": "resolved"})
    raw = str(service.snapshot().raw).replace("{gateway: {", "{gateway: {port: 9, ")
    found = service.write(raw, base_hash=service.snapshot().hash)
    assert house.paths.config_path.read_text() == (
        "{gateway: {port: 9, auth: {token: 'hunter2', password: \"${P}\"}}}".replace('"', "'")
    )
    assert [one.key for one in found] == ["gateway.port"]


def test_h02_a_resolved_secret_is_never_written(house):
    house.write("{models: {providers: {p: {apiKey: '${K}'}}}}")
    service = house.open({"K": "hunter2"})
    service.write(str(service.snapshot().raw) + "\n", base_hash=service.snapshot().hash)
    assert "hunter2" not in house.paths.config_path.read_text()
    assert "${K}" in house.paths.config_path.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a", "SyntaxError: JSON5: invalid end of input at 1:3"),
        ("{gateway: {port: 'x'}}", "invalid config"),
        (f"{{hooks: {{token: '{MARKER}'}}}}", "invalid config: hooks.token holds the marker"),
    ],
)
def test_a_write_of_nonsense_is_refused_and_nothing_changes(house, text, message):
    house.write("{}")
    service = house.open()
    with pytest.raises(Refused) as caught:
        service.write(text, base_hash=service.snapshot().hash)
    assert caught.value.message.startswith(message)
    assert house.paths.config_path.read_text() == "{}"


def test_a_stale_write_is_refused(house):
    house.write("{}")
    service = house.open()
    with pytest.raises(Refused, match="config changed since last load"):
        service.write("{}", base_hash=text_hash("other"))


def test_the_hash_of_a_reading_says_nothing_about_its_secrets(house):
    """Advisory Q03: two files that differ in a secret alone look alike, and both can be written."""
    house.write("{gateway: {auth: {token: 'one'}}}")
    service = house.open()
    first = bytes(service.payload())
    house.write("{gateway: {auth: {token: 'two'}}}")
    assert bytes(house.open().payload()) == first
    service.write(str(service.snapshot().raw) + "\n", base_hash=service.snapshot().hash)
    assert "'two'" in house.paths.config_path.read_text()


async def test_a_patch_changes_what_it_names_and_keeps_comments(house):
    house.write("{gateway: {port: 1 /* usual */, auth: {token: 'kept'}}, logging: {level: 'warn'}}")
    service = house.open()
    patch = f"{{gateway: {{port: 2, auth: {{token: '{MARKER}'}}}}, logging: null}}"
    draft = service.draft_patch(patch, base_hash=service.snapshot().hash)
    assert [one.key for one in await service.commit(draft)] == ["gateway.port", "logging.level"]
    text = house.paths.config_path.read_text()
    assert "/* usual */" in text
    assert "'kept'" in text
    assert "logging" not in text


def test_a_patch_of_a_broken_file_is_refused(house):
    house.write("{gateway: {port: 'x'}}")
    service = house.open()
    with pytest.raises(Refused, match=r"^invalid config; fix before patching$"):
        service.draft_patch("{}", base_hash=service.snapshot().hash)


async def test_a_draft_of_an_older_file_is_not_written(house):
    house.write("{}")
    service = house.open()
    draft = service.draft("{gateway: {port: 3}}", base_hash=service.snapshot().hash)
    house.write("{gateway: {port: 4}}")
    with pytest.raises(Refused, match="config changed since last load"):
        await service.commit(draft)
    assert house.paths.config_path.read_text() == "{gateway: {port: 4}}"


def test_a_write_includes_no_file_from_elsewhere(house):
    """Who edits the file may; see advisory H01."""
    house.write("{}")
    service = house.open()
    with pytest.raises(Refused, match=r"\$include may lead out of .*conf only if"):
        service.write("{$include: '/etc/hostname'}", base_hash=service.snapshot().hash)


def test_what_a_flag_hides_is_refused_all_the_same(house):
    service = house.open(flags={("gateway", "port"): 5})
    with pytest.raises(Refused, match="invalid config"):
        service.write("{gateway: {port: 'x'}}", base_hash=None)


async def test_a_disk_that_takes_nothing_is_told_and_the_file_is_as_it_was(house, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    house.write("{}")
    service = house.open()
    draft = service.draft("{gateway: {port: 3}}", base_hash=service.snapshot().hash)
    monkeypatch.setattr("carapace.config.service.write_config", full)
    with pytest.raises(Failed, match=r"No space left on device.*carapace\.json"):
        await service.commit(draft)
    assert house.paths.config_path.read_text() == "{}"


class Restarter:
    """Restarts nothing, and remembers what for."""

    def __init__(self, service, *issues):
        self.keys = []
        service.restart_with(self.keys.append)
        service.refuse_unfit(lambda _settings: issues)


@pytest.mark.parametrize(
    ("mode", "text", "keys"),
    [
        ("hybrid", "port: 9", [("gateway.port",)]),
        ("hybrid", "trustedProxies: ['10.0.0.1']", []),
        ("hot", "port: 9", []),
        ("off", "port: 9", []),
        ("restart", "trustedProxies: ['10.0.0.1']", [("gateway.trustedProxies",)]),
    ],
)
def test_the_mode_says_whether_a_changed_file_restarts_the_gateway(house, mode, text, keys):
    house.write(f"{{gateway: {{reload: {{mode: '{mode}'}}}}}}")
    service = house.open()
    restarter = Restarter(service)
    house.write(f"{{gateway: {{reload: {{mode: '{mode}'}}, {text}}}}}")
    service.reload()
    assert restarter.keys == keys
    said = [one for _, one in house.told if "estart" in one]
    assert len(said) == (1 if service.restart_needed else 0)


def test_no_restart_for_settings_that_no_gateway_can_start_with(house):
    house.write("{}")
    service = house.open()
    restarter = Restarter(service, Issue("gateway.port", "the port is cursed"))
    house.write("{gateway: {port: 13}}")
    service.reload()
    assert restarter.keys == []
    assert ("error", "No restart to apply gateway.port: the port is cursed") in house.told
    with pytest.raises(Refused, match="invalid config") as caught:
        service.write("{gateway: {port: 14}}", base_hash=service.snapshot().hash)
    assert caught.value.details == {
        "issues": [{"path": "gateway.port", "message": "the port is cursed"}]
    }


def test_a_first_file_can_be_written(house):
    service = house.open()
    service.write("{gateway: {port: 3}}", base_hash=None)
    assert (service.settings.gateway.port, service.source) == (3, "file")


def test_a_new_text_may_include_files(house):
    house.write("{}")
    (house.paths.config_path.parent / "p.json").write_text("{gateway: {port: 4}}")
    service = house.open()
    service.write("{$include: 'p.json'}", base_hash=service.snapshot().hash)
    assert service.settings.gateway.port == 4


def test_a_copy_that_cannot_be_kept_is_told(house):
    house.paths.state_dir.write_text("a file where the folder should be")
    house.write("{}")
    house.open()
    assert any("could not be kept" in text for _, text in house.told)


def test_settings_are_explained(house):
    service = house.open()
    assert service.explain("gateway.port").origin == "default"
    with pytest.raises(Refused, match="is no key"):
        service.explain("a..b")


async def test_a_saved_file_is_applied(house):
    class Once:
        async def listen(self, folders):
            house.write("{gateway: {port: 8}}")
            yield None
            await asyncio.Event().wait()

    house.write("{}")
    service, clock, applied = house.open(), FakeClock(), asyncio.Event()
    service.subscribe(lambda *_: applied.set())
    task = asyncio.create_task(service.watch(clock, Once()))
    for _ in range(20):
        await asyncio.sleep(0)
        await clock.advance(0.3)
    assert applied.is_set()
    assert service.settings.gateway.port == 8
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
