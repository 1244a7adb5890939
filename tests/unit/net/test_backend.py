from __future__ import annotations

import asyncio

import httpcore2
import pytest

from carapace.net.backend import GuardedBackend, Way
from carapace.net.policy import EgressPolicy
from carapace.net.proxy import Proxy
from carapace.net.refused import EgressRefused
from support.authority import shared_authority
from support.egress import PUBLIC, LoopbackDialler, NameTable


class SlowNames:
    async def resolve(self, host, port):
        await asyncio.Event().wait()


@pytest.fixture
async def listener():
    async def close(_reader, writer):
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


def backend(names, dialler, policy=EgressPolicy(), proxy=None):  # noqa: B008 - a frozen value
    way = Way(
        resolver=names, dialler=dialler, find_proxy=lambda: proxy, tls=shared_authority().trust
    )
    return GuardedBackend(policy, way)


async def test_the_checked_address_is_the_dialled_one(listener):
    dialler = LoopbackDialler(listener)
    gate = backend(NameTable(a_example=[[PUBLIC], ["127.0.0.1"]]), dialler)
    stream = await gate.connect_tcp("a.example", 80)
    await stream.aclose()
    assert dialler.dialled == [PUBLIC]


async def test_a_literal_needs_no_resolver(listener):
    names = NameTable()
    gate = backend(names, dialler := LoopbackDialler(listener))
    stream = await gate.connect_tcp(PUBLIC, 80, timeout=5)
    await stream.aclose()
    assert (names.asked, dialler.dialled) == ([], [PUBLIC])


async def test_a_refusal_names_its_reason_and_dials_nothing():
    dialler = LoopbackDialler(1)
    gate = backend(NameTable(a_example=[["127.0.0.1"]]), dialler)
    with pytest.raises(EgressRefused) as caught:
        await gate.connect_tcp("a.example", 80)
    assert caught.value.reason == "127.0.0.1 is loopback (RFC 1122)"
    assert dialler.dialled == []


@pytest.mark.parametrize("host", ["0x7f000001", "127.1", "fe80::1%eth0", "a b"])
async def test_odd_hosts_never_reach_a_resolver(host):
    names = NameTable()
    gate = backend(names, LoopbackDialler(1))
    with pytest.raises(EgressRefused):
        await gate.connect_tcp(host, 80)
    assert names.asked == []


async def test_an_unknown_name_is_no_refusal():
    gate = backend(NameTable(), LoopbackDialler(1))
    with pytest.raises(httpcore2.ConnectError, match="cannot look up"):
        await gate.connect_tcp("a.example", 80)


async def test_the_next_address_is_tried(listener):
    dialler = LoopbackDialler(listener, dead=["8.8.8.8"])
    gate = backend(NameTable(a_example=[["8.8.8.8", PUBLIC]]), dialler)
    stream = await gate.connect_tcp("a.example", 80)
    await stream.aclose()
    assert dialler.dialled == ["8.8.8.8", PUBLIC]


async def test_the_last_address_names_the_error():
    dialler = LoopbackDialler(1, dead=["8.8.8.8", PUBLIC])
    gate = backend(NameTable(a_example=[["8.8.8.8", PUBLIC]]), dialler)
    with pytest.raises(httpcore2.ConnectError, match=PUBLIC):
        await gate.connect_tcp("a.example", 80)


async def test_a_slow_look_up_meets_the_deadline():
    gate = backend(SlowNames(), LoopbackDialler(1), EgressPolicy(connect_timeout_s=0.01))
    with pytest.raises(httpcore2.ConnectTimeout):
        await gate.connect_tcp("a.example", 80, timeout=10)


async def test_a_look_up_that_times_out_by_itself_is_a_timeout():
    class TimedOut:
        async def resolve(self, host, port):
            raise TimeoutError

    gate = backend(TimedOut(), LoopbackDialler(1))
    with pytest.raises(httpcore2.ConnectTimeout):
        await gate.connect_tcp("a.example", 80)


async def test_unix_sockets_are_refused():
    gate = backend(NameTable(), LoopbackDialler(1))
    with pytest.raises(EgressRefused, match="unix socket"):
        await gate.connect_unix_socket("/run/docker.sock")


async def test_it_sleeps_as_its_dialler_does():
    gate = backend(NameTable(), LoopbackDialler(1))
    await gate.sleep(0)


# A hang-up shows as the end, or as a reset if our request was on its way.
HUNG_UP = (httpcore2.ProxyError, httpcore2.NetworkError)
PROXY = Proxy("http", "proxy.example", 3128)


async def test_a_proxy_is_asked_for_the_name_and_for_no_address(listener):
    dialler = LoopbackDialler(listener)
    names = NameTable(proxy_example=[["10.0.0.9"]])
    gate = backend(names, dialler, proxy=PROXY)
    with pytest.raises(HUNG_UP):  # the listener does, at once
        await gate.connect_tcp("a.example", 443)
    assert (names.asked, dialler.dialled) == (["proxy.example"], ["10.0.0.9"])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "::ffff:7f00:1", "169.254.169.254", "localhost", "metadata.goog", "printer"],
)
async def test_a_proxy_is_not_asked_for_what_is_refused_anyway(host):
    names = NameTable(proxy_example=[["10.0.0.9"]])
    gate = backend(names, dialler := LoopbackDialler(1), proxy=PROXY)
    with pytest.raises(EgressRefused):
        await gate.connect_tcp(host, 443)
    assert (names.asked, dialler.dialled) == ([], [])


async def test_ones_own_host_is_reached_beside_the_proxy(listener):
    policy = EgressPolicy(allow_hosts=frozenset([("127.0.0.1", 11434)]))
    gate = backend(NameTable(), dialler := LoopbackDialler(listener), policy, proxy=PROXY)
    stream = await gate.connect_tcp("127.0.0.1", 11434)
    await stream.aclose()
    assert dialler.dialled == ["127.0.0.1"]


async def test_a_proxy_without_an_address_cannot_be_reached():
    gate = backend(NameTable(proxy_example=[[]]), LoopbackDialler(1), proxy=PROXY)
    with pytest.raises(httpcore2.ConnectError, match="no address"):
        await gate.connect_tcp("a.example", 443)


async def test_a_public_literal_goes_through_the_proxy(listener):
    names = NameTable(proxy_example=[["10.0.0.9"]])
    gate = backend(names, dialler := LoopbackDialler(listener), proxy=PROXY)
    with pytest.raises(HUNG_UP):
        await gate.connect_tcp(PUBLIC, 443)
    assert dialler.dialled == ["10.0.0.9"]
