"""Only a real keyring, only in a session, and never longer than allowed."""

from __future__ import annotations

import sys
import threading
from typing import ClassVar

import pytest

from carapace.credentials import keyring as module
from carapace.credentials.keyring import OsKeyring, is_desktop, within
from carapace.errors import Failed


class Backend:
    """Looks like a backend of the keyring library."""

    priority: ClassVar[float] = 5.0
    kept: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, value: str) -> None:
        self.kept[service, name] = value


class Unusable(Backend):
    priority: ClassVar[float] = 0.0


def _use(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(module, "_BACKENDS", {sys.platform: (__name__, name)})
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Backend.__module__])


def test_secrets_go_to_the_chosen_class(monkeypatch: pytest.MonkeyPatch):
    _use(monkeypatch, "Backend")
    keyring = OsKeyring()
    keyring.put("vault-x", "secret")
    assert keyring.get("vault-x") == "secret"
    assert keyring.get("other") is None
    assert Backend.kept["carapace", "vault-x"] == "secret"


def test_a_class_that_cannot_work_here_is_not_used(monkeypatch: pytest.MonkeyPatch):
    _use(monkeypatch, "Unusable")
    with pytest.raises(Failed, match="not usable"):
        OsKeyring().get("x")


def test_the_allow_list_holds_real_backends_only():
    assert {path for path, _ in module._BACKENDS.values()} == {
        "keyring.backends.SecretService",
        "keyring.backends.macOS",
        "keyring.backends.Windows",
    }


def test_an_environment_variable_cannot_choose_a_backend(monkeypatch: pytest.MonkeyPatch):
    _use(monkeypatch, "Backend")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    keyring = OsKeyring()
    keyring.put("vault-y", "secret")
    assert keyring.get("vault-y") == "secret"


@pytest.mark.skipif(sys.platform != "linux", reason="the rule for Linux desktops")
def test_a_desktop_has_a_screen_and_a_bus():
    assert is_desktop({"DISPLAY": ":0", "DBUS_SESSION_BUS_ADDRESS": "x"})
    assert is_desktop({"WAYLAND_DISPLAY": "w", "DBUS_SESSION_BUS_ADDRESS": "x"})
    assert not is_desktop({"DBUS_SESSION_BUS_ADDRESS": "x"})
    assert not is_desktop({"DISPLAY": ":0"})


def test_other_desktops_always_have_a_keychain(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert is_desktop({})


async def test_an_answer_in_time_is_the_answer():
    assert await within(5.0, lambda: 42) == 42


async def test_whatever_it_raises_is_one_kind():
    def refuse() -> None:
        raise LookupError("inside")

    with pytest.raises(Failed, match="LookupError"):
        await within(5.0, refuse)


async def test_late_is_too_late_and_harmless():
    release, done = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(30)
        done.set()

    with pytest.raises(TimeoutError):
        await within(0.01, hang)
    release.set()
    assert done.wait(5)
