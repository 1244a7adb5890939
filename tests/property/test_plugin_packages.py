"""Whatever somebody hands in as a plugin, it is read or refused, and nothing else happens."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.net.url import parse_url
from carapace.plugins.package.archive import pack, unpack
from carapace.plugins.package.contents import Contents
from carapace.plugins.package.index import choose
from carapace.plugins.package.lock import BrokenLock, read_lock
from carapace.plugins.package.manifest import InvalidManifest, parse_manifest
from carapace.plugins.package.permissions import (
    Ask,
    InvalidPermission,
    Permissions,
    compare,
    parse_http,
    parse_websocket,
)
from carapace.plugins.package.publishers import InvalidPublisher, parse_publisher
from carapace.plugins.package.signature import InvalidSignature, parse_signature
from carapace.plugins.package.sources import parse_source
from carapace.plugins.package.transparency import BrokenLog, read_log
from carapace.plugins.package.version import InvalidVersion, parse_version
from carapace.plugins.state import PluginRefused
from support.packages import contents, manifest_text

pytestmark = pytest.mark.slow

IDENTIFIER = st.from_regex(r"(0|[1-9][0-9]{0,3}|[a-z][a-z0-9-]{0,5})", fullmatch=True)
VERSIONS = st.builds(
    lambda release, pre: ".".join(map(str, release)) + (f"-{'.'.join(pre)}" if pre else ""),
    st.tuples(*[st.integers(0, 99)] * 3),
    st.lists(IDENTIFIER, max_size=3),
).map(parse_version)
RULES = st.builds(
    "{} https://{}{}".format,
    st.sampled_from(["GET", "POST", "GET,POST"]),
    st.sampled_from(["a.example", "*.a.example", "b.a.example", "a.example:8443"]),
    st.sampled_from(["/**", "/v1/**", "/v1/x", "/v1/x/**", "/v10/**"]),
)


@given(st.binary(max_size=400))
def test_bytes_are_read_or_refused(data: bytes):
    with suppress(InvalidManifest):
        parse_manifest(data)
    with suppress(InvalidSignature):
        parse_signature(data)
    with suppress(PluginRefused):
        unpack(data)
    with suppress(BrokenLog):
        read_log(data)
    with suppress(BrokenLock):
        read_lock(data, b"k" * 32)
    with suppress(PluginRefused):
        choose(data, "zalo", None, base="https://a.example/")


@given(st.text(max_size=200))
def test_texts_are_read_or_refused(text: str):
    with suppress(InvalidVersion):
        assert str(parse_version(text)) == text
    with suppress(InvalidPublisher):
        parse_publisher(text)
    with suppress(InvalidPermission):
        parse_http(text)
    with suppress(InvalidPermission):
        parse_websocket(text)
    with suppress(PluginRefused):
        parse_source(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_line_of_a_manifest_breaks_its_reader(permissions: str, more: str):
    with suppress(InvalidManifest):
        parse_manifest(manifest_text(permissions=permissions, more=more).encode())


@given(st.data())
def test_a_broken_archive_is_refused_or_still_the_same(data: st.DataObject):
    packed = bytearray(pack(contents()))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] = data.draw(st.integers(0, 255))
    with suppress(PluginRefused):
        assert unpack(bytes(packed)) == contents()


def test_no_single_byte_makes_another_package_of_it():
    packed = pack(contents())
    taken = 0
    for place in range(len(packed)):
        for value in (0, 1, 0x7F, 0xFF, packed[place] + 1 & 0xFF, packed[place] ^ 0x80):
            broken = packed[:place] + bytes([value]) + packed[place + 1 :]
            with suppress(PluginRefused):
                assert unpack(broken) == contents(), (place, value)
                taken += 1
    assert taken  # a date, for one, is of no consequence


@given(st.binary(max_size=200), st.binary(max_size=200), st.none() | st.binary(max_size=50))
def test_what_is_packed_is_unpacked(manifest: bytes, wasm: bytes, signature: bytes | None):
    given_contents = Contents(manifest, wasm, signature)
    assert unpack(pack(given_contents)) == given_contents


@given(VERSIONS, VERSIONS, VERSIONS)
def test_versions_have_one_order(one, two, three):
    assert (one < two) + (two < one) + (one == two) == 1
    if one < two < three:
        assert one < three
    assert parse_version(str(one)) == one


@given(st.lists(RULES, max_size=3, unique=True), st.lists(RULES, max_size=3, unique=True))
def test_what_needs_no_consent_admits_nothing_new(old: list[str], new: list[str]):
    """The judge is the code that lets requests through, not the one that compares rules."""
    before, after = Permissions(http=tuple(old)), Permissions(http=tuple(new))
    if compare(Ask(roles=(), permissions=before), Ask(roles=(), permissions=after)).is_wider:
        return
    for host in ("a.example", "b.a.example", "c.b.a.example", "a.example:8443"):
        for path in ("/", "/v1/", "/v1/x", "/v1/x/y", "/v10/z"):
            endpoint = parse_url(f"https://{host}{path}")
            for method in ("GET", "POST", "PUT"):
                if any(rule.admits(method, endpoint) for rule in after.http_rules()):
                    assert any(rule.admits(method, endpoint) for rule in before.http_rules())
