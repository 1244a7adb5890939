"""Near is this machine and private networks; everything else is far."""

from __future__ import annotations

import pytest

from carapace.cli.plaintext import may_be_plain


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::ffff:127.0.0.1",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.5",
        "::ffff:192.168.1.5",
        "169.254.3.4",
        "100.101.102.103",
        "fd7a:115c:a1e0::1",
        "fe80::1%eth0",
    ],
)
def test_near(address: str):
    assert may_be_plain(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.2.1", "2606:4700::1111", "::ffff:8.8.8.8"],
)
def test_far(address: str):
    assert not may_be_plain(address)
