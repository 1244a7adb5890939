"""The contract and the guest library are found where they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.errors import Failed
from carapace.plugins.sdk import contract as places


def test_the_contract_is_the_one_in_the_checkout():
    assert places.contract_path().name == "plugin.wit"
    assert places.contract().name == "carapace:plugin"


def test_guests_import_the_library_from_its_folder():
    assert (places.guest_library() / "carapace_plugin" / "__init__.py").is_file()


def test_a_checkout_will_do_where_the_library_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(places.importlib.util, "find_spec", lambda _name: None)
    assert (places.guest_library() / "carapace_plugin").is_dir()


def test_the_fake_host_comes_with_the_library(monkeypatch: pytest.MonkeyPatch):
    library = str(places.guest_library())
    monkeypatch.setattr(places.sys, "path", [each for each in places.sys.path if each != library])
    assert places.testing().FakeHost().call("config", "get", ["a"]) is None


def test_an_installation_without_them_says_so(tmp_path: Path):
    with pytest.raises(Failed, match=r"plugin\.wit is not part of this installation"):
        places._first(tmp_path / "plugin.wit")
