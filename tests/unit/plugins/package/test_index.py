"""An index names files; it cannot make anybody trust them."""

from __future__ import annotations

import json

import pytest

from carapace.plugins.package.index import choose
from carapace.plugins.state import PluginRefused, Refusal

BASE = "https://plugins.example/v1/index.json"
SHA = "ab" * 32


def index(*versions: str, url: str = "zalo.carapace-plugin", **more: object) -> bytes:
    listed = {one: {"url": url, "sha256": SHA} for one in versions}
    return json.dumps({"format": 1, "plugins": {"zalo": {"versions": listed}}, **more}).encode()


def refused(data: bytes, version: str | None = None, plugin_id: str = "zalo") -> str:
    with pytest.raises(PluginRefused) as caught:
        choose(data, plugin_id, version, base=BASE)
    assert caught.value.refusal is Refusal.SOURCE
    return caught.value.message


def test_the_highest_release_is_chosen():
    found = choose(index("1.9.0", "1.10.0", "2.0.0-rc.1"), "zalo", None, base=BASE)
    assert str(found.version) == "1.10.0"
    assert found.url == "https://plugins.example/v1/zalo.carapace-plugin"
    assert found.sha256 == SHA


def test_a_version_can_be_named():
    assert str(choose(index("1.0.0", "1.1.0"), "zalo", "1.0.0", base=BASE).version) == "1.0.0"


def test_addresses_may_lead_elsewhere_but_not_in_clear_text():
    data = index("1.0.0", url="https://files.example/zalo")
    assert choose(data, "zalo", None, base=BASE).url == "https://files.example/zalo"
    assert "not https" in refused(index("1.0.0", url="http://files.example/zalo"))
    assert "not https" in refused(index("1.0.0", url="file:///etc/passwd"))


def test_what_it_does_not_have_is_told():
    assert "does not have zalo 1.1.0" in refused(index("1.0.0"), "1.1.0")
    assert "does not have other" in refused(index("1.0.0"), plugin_id="other")
    assert "does not have zalo" in refused(index("1.0.0-rc.1"))


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff", index("1"), index("1.0.0").replace(b"abab", b"XXXX")]
)
def test_what_is_no_index_is_refused(data):
    assert "cannot be read" in refused(data)


def test_a_newer_format_is_refused():
    assert "format 2" in refused(index("1.0.0", format=2))
