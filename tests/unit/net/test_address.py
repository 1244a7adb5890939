from __future__ import annotations

from ipaddress import IPv6Address, ip_address

import pytest

from carapace.net.address import (
    BLOCKS_V4,
    BLOCKS_V6,
    embedded_ipv4,
    is_local_name,
    is_metadata,
    is_metadata_host,
    refusal,
)


@pytest.mark.parametrize("block", [*BLOCKS_V4, *BLOCKS_V6], ids=lambda b: str(b.network))
def test_first_and_last_address_of_each_block_are_refused_with_a_source(block):
    for address in (block.network[0], block.network[-1]):
        reason = refusal(address)
        assert reason is not None
        assert "(" in reason


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.216.34",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2a00::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ],
)
def test_public_addresses_pass(text):
    assert refusal(ip_address(text)) is None


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("::ffff:127.0.0.1", "IPv4-mapped"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("::ffff:0:127.0.0.1", "IPv4-translated"),
        ("64:ff9b::127.0.0.1", "NAT64"),
        ("64:ff9b:1::127.0.0.1", "local-use NAT64"),
        ("2002:7f00:1::", "6to4"),
        ("2001:0:7f00:1::", "Teredo server"),
        ("2001:0:808:808::80ff:fffe", "Teredo client"),
        ("2606:4700::5efe:10.0.0.1", "ISATAP"),
        ("2606:4700::200:5efe:10.0.0.1", "ISATAP"),
    ],
)
def test_hidden_ipv4_is_found_in_every_form(text, form):
    reason = refusal(ip_address(text))
    assert reason is not None
    assert reason.startswith(form)


@pytest.mark.parametrize("text", ["2002:808:808::", "::8.8.8.8", "64:ff9b:1::8.8.8.8", "4000::1"])
def test_forms_that_nobody_needs_are_refused_whatever_is_inside(text):
    assert refusal(ip_address(text)) is not None


def test_the_narrowest_row_names_the_reason():
    assert refusal(ip_address("::1")) == "loopback (RFC 4291)"
    assert refusal(ip_address("255.255.255.255")) == "limited broadcast (RFC 919)"


@pytest.mark.parametrize(
    "text",
    [
        # RFC 6052 section 2.4, with the local-use prefix in front
        "64:ff9b:1:c000:2:2100::",
        "64:ff9b:1:3c0:0:221::",
        "64:ff9b:1:344:c0:2:2100:0",
        "64:ff9b:1:344::c000:221",
    ],
)
def test_local_use_nat64_is_read_in_every_layout(text):
    assert "192.0.2.33" in {str(inner) for _, inner in embedded_ipv4(IPv6Address(text))}


@pytest.mark.parametrize("flags", ["0", "100", "200", "300"])
def test_isatap_is_read_whatever_its_flag_bits_say(flags):
    reason = refusal(ip_address(f"2606:4700::{flags}:5efe:7f00:1"))
    assert reason is not None
    assert reason.startswith("ISATAP")


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "64:ff9b:1:a9fe:a9:fe00::",
        "fd00:ec2::254",
        "fd00:42::42",
        "fe80::a9fe:a9fe%eth0",
    ],
)
def test_metadata_is_known_in_any_wrapping(text):
    assert is_metadata(ip_address(text))


def test_other_addresses_are_not_metadata():
    assert not is_metadata(ip_address("169.254.1.1"))
    assert not is_metadata(ip_address("::1"))
    assert not is_metadata(ip_address("fe80::1%eth0"))


def test_names():
    assert is_metadata_host("metadata.google.internal")
    assert not is_metadata_host("metadata.example")
    assert is_local_name("localhost")
    assert is_local_name("a.localhost")
    for name in ("nas.local", "printer", "router.home.arpa", "home.arpa", "api.default.svc"):
        assert is_local_name(name)
    for name in ("localhost.example", "a.local.example", "1.2.3.4", "2606::1", "lan.example"):
        assert not is_local_name(name)
