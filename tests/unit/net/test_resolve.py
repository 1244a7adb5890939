from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from carapace.net.resolve import SystemResolver, interleave


async def test_the_machine_knows_itself():
    found = await SystemResolver().resolve("localhost", 80)
    assert any(address.is_loopback for address in found)
    assert len(set(found)) == len(found)


async def test_an_unknown_name_is_an_oserror():
    with pytest.raises(socket.gaierror):
        await SystemResolver().resolve("no-such-name.invalid", 80)


def test_families_alternate_beginning_with_the_first():
    rows = [ip_address(text) for text in ("::1", "::2", "::3", "1.1.1.1")]
    assert [str(a) for a in interleave(rows)] == ["::1", "1.1.1.1", "::2", "::3"]
    assert interleave([]) == ()
