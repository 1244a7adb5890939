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


def test_local_use_nat64_is_read_in_both_layouts():
    address = IPv6Address("64:ff9b:1:a9fe:a9:fe00::")
    assert "169.254.169.254" in {str(inner) for _, inner in embedded_ipv4(address)}


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
        "fd00:ec2::254",
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
    assert is_local_name("nas.local")
    assert not is_local_name("localhost.example")
