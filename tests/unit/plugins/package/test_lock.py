"""Only who has the key can write a lock file."""

from __future__ import annotations

import pytest

from carapace.plugins.package import lock as unit
from carapace.plugins.package.lock import (
    BrokenLock,
    KeptVersion,
    Lock,
    LockedPlugin,
    highest,
    read_lock,
    recovered,
    write_lock,
)
from carapace.plugins.package.permissions import Ask, Permissions
from carapace.plugins.package.transparency import Event, LogLine

KEY = b"k" * 32
KEPT = KeptVersion(
    version="1.0.0",
    digest="ab" * 32,
    files={"plugin.toml": "cd" * 32},
    publisher=None,
    source="test",
    kept_at_ms=1,
)
PLUGIN = LockedPlugin(
    id="hello",
    versions=(KEPT,),
    active=KEPT.digest,
    agreed=Ask(roles=("tool",), permissions=Permissions(http=("GET https://a.example/",))),
    highest="1.0.0",
)


def line(event: Event, version: str, floor: str | None = None) -> LogLine:
    return LogLine(
        seq=1,
        at_ms=1,
        event=event,
        plugin="hello",
        version=version,
        digest="ab" * 32,
        publisher=None,
        floor=floor,
        by="test",
        prev="0" * 64,
    )


LOCK = Lock().with_plugin(PLUGIN, line(Event.INSTALLED, "1.0.0"))


def test_what_was_written_is_read():
    assert read_lock(write_lock(LOCK, KEY), KEY) == LOCK
    assert LOCK.digests() == {KEPT.digest}
    assert PLUGIN.kept(KEPT.digest) is KEPT
    assert PLUGIN.kept("no") is PLUGIN.kept(None) is None


def test_another_key_does_not_read_it():
    with pytest.raises(BrokenLock, match="another key"):
        read_lock(write_lock(LOCK, KEY), b"x" * 32)


def test_no_byte_of_it_can_be_changed():
    data = write_lock(LOCK, KEY)
    for place in range(len(data)):
        mutated = bytearray(data)
        mutated[place] ^= 0x20
        with pytest.raises(BrokenLock):
            read_lock(bytes(mutated), KEY)


@pytest.mark.parametrize("data", [b"", b"{}", b"{}\n", b"{}\n\n"])
def test_what_nobody_signed_is_refused(data):
    with pytest.raises(BrokenLock):
        read_lock(data, KEY)


def test_a_lock_of_another_version_is_refused():
    data = write_lock(LOCK, KEY).partition(b"\n")[0].replace(b'"plugins"', b'"plugouts"')
    with pytest.raises(BrokenLock, match="another version of the gateway"):
        read_lock(data + b"\n" + unit._mac(data, KEY) + b"\n", KEY)


def test_floors_outlive_the_lock_file():
    lines = [
        line(Event.STAGED, "9.0.0"),
        line(Event.INSTALLED, "1.0.0"),
        line(Event.UPGRADED, "2.0.0", "1.5.0"),
        line(Event.ROLLED_BACK, "1.6.0"),
        line(Event.REMOVED, "1.6.0"),
    ]
    found = recovered(lines).plugins["hello"]
    assert (found.highest, found.floor, found.versions) == ("2.0.0", "1.5.0", ())
    assert recovered([]) == Lock()


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        (None, None, None),
        (None, "1.0.0", "1.0.0"),
        ("1.0.0", None, "1.0.0"),
        ("1.9.0", "1.10.0", "1.10.0"),
    ],
)
def test_the_higher_version_wins(left, right, wanted):
    assert highest(left, right) == wanted
