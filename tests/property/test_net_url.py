"""Whatever text comes in: one endpoint that reads the same again, or a refusal."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from carapace.net.address import BLOCKS_V4, refusal
from carapace.net.url import InvalidUrl, check_host, parse_url

HOSTILE = st.text(alphabet="abx0179.:@/\\[]%#? -_\t\u3002\uff0e", max_size=40)


@given(HOSTILE | st.text(max_size=60))
def test_a_host_that_was_read_reads_the_same_again(text):
    try:
        endpoint = parse_url(f"http://{text}")
    except InvalidUrl:
        return
    assert check_host(endpoint.host) == endpoint.host
    assert 1 <= endpoint.port <= 65535
    assert endpoint.target.startswith("/")
    assert not set(endpoint.host) & set("/\\@#? %")


@given(st.sampled_from(BLOCKS_V4), st.integers(min_value=0))
def test_a_blocked_ipv4_address_is_blocked_in_every_wrapping(block, offset):
    inner = block.network[offset % block.network.num_addresses]
    assert isinstance(inner, IPv4Address)
    low = int(inner)
    for wrapped in (low | 0xFFFF << 32, low | 0x64FF9B << 96, low << 80 | 0x2002 << 112):
        assert refusal(IPv6Address(wrapped)) is not None
