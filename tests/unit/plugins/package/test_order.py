"""No way back to what has a hole in it, but by a rollback that its publisher allows."""

from __future__ import annotations

import pytest

from carapace.plugins.package.contents import verify
from carapace.plugins.package.lock import KeptVersion, LockedPlugin
from carapace.plugins.package.order import check_floor, check_order, worth_keeping
from carapace.plugins.package.publishers import Trust
from carapace.plugins.state import PluginRefused, Refusal
from support.packages import KEY, PUBLISHER, contents

TRUST = Trust.of([PUBLISHER], allow_unsigned=True)


def package(version: str, *, signed: bool = True, wasm: bytes = b"x"):
    return verify(contents(version=version, key=KEY if signed else None, wasm=wasm), TRUST)


def kept(version: str, digest: str, publisher: str | None = PUBLISHER) -> KeptVersion:
    return KeptVersion(
        version=version, digest=digest, files={}, publisher=publisher, source="t", kept_at_ms=1
    )


def refused(own: LockedPlugin, version: str, **options) -> str:
    with pytest.raises(PluginRefused) as caught:
        check_order(own, package(version, **options))
    assert caught.value.refusal is Refusal.OLDER
    return caught.value.message


def test_anything_may_come_first():
    check_order(LockedPlugin(id="hello"), package("0.0.1"))


def test_nothing_below_the_highest_that_ran():
    own = LockedPlugin(id="hello", highest="1.10.0")
    assert "1.9.0 is older" in refused(own, "1.9.0")
    assert "is older" in refused(own, "1.10.0-rc.1")
    check_order(own, package("1.10.0"))
    check_order(own, package("1.10.1"))


def test_nothing_below_the_floor():
    own = LockedPlugin(id="hello", floor="1.1.0")
    assert "below 1.1.0" in refused(own, "1.0.9")
    check_floor(own, "1.1.0")
    with pytest.raises(PluginRefused, match=r"below 1\.1\.0"):
        check_floor(own, "1.0.0")


def test_two_packages_do_not_share_a_number():
    first = package("1.0.0")
    own = LockedPlugin(id="hello", versions=(kept("1.0.0", first.digest),))
    check_order(own, first)
    assert "other contents" in refused(own, "1.0.0", wasm=b"y")
    assert "other contents" in refused(own, "1.0.0", signed=False)


def test_drafts_of_a_developer_may():
    first = package("1.0.0", signed=False)
    own = LockedPlugin(id="hello", versions=(kept("1.0.0", first.digest, None),))
    check_order(own, package("1.0.0", signed=False, wasm=b"y"))
    assert "other contents" in refused(own, "1.0.0")


def test_three_versions_are_kept_and_what_waits():
    versions = tuple(kept(f"1.{n}.0", str(n)) for n in range(6))
    own = LockedPlugin(id="hello", versions=versions, active="4", pending="0")
    found = worth_keeping(own, versions[5])
    assert [one.version for one in found] == ["1.3.0", "1.4.0", "1.0.0", "1.5.0"]
    taken = worth_keeping(own, versions[0])
    assert [one.version for one in taken] == ["1.4.0", "1.5.0", "1.0.0"]
