"""Advisory rows F01 to F05, F07 and F08, seen from outside: a client, and what gets through."""

from __future__ import annotations

import httpx2
import pytest
from aiohttp import web

from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.net.refused import refusal_of
from support.egress import PUBLIC, LoopbackDialler, NameTable, make_egress, serving

HOSTILE_V4 = (  # noqa: SIM905 - a corpus reads better as words
    "127.0.0.1 127.1 127.0.1 127.255.255.254 0 0.0.0.0 0.1.2.3 2130706433 017700000001 0x7f000001 "
    "0x7f.1 0x7f.0.0.1 0177.0.0.1 0177.1 127.0.0.1. 00127.0.0.1 127.000.000.001 10.0.0.1 10.1 "
    "10.255.255.255 0x0a000001 012.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 192.168.1 "
    "3232235521 0xc0a80001 0300.0250.0.1 169.254.0.1 169.254.169.254 169.254.43518 2852039166 "
    "0xa9fea9fe 0251.0376.0251.0376 0xa9.0xfe.0xa9.0xfe 169.254.170.2 100.64.0.1 100.127.255.255 "
    "100.100.100.200 168.63.129.16 192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 "
    "192.88.99.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 "
    "239.255.255.255 240.0.0.1 255.255.255.255 256.0.0.1 1.2.3 1.2.3.4.5 "
    "127.0.0.1%00 127.0.0.1%20 %31%32%37.0.0.1 127%2e0%2e0%2e1 ①②⑦.⓪.⓪.① "
    "127。0。0。1 127\uff0e0\uff0e0\uff0e1 127｡0｡0｡1 0x 1.0x 4294967296 -1 1e1"
).split()
HOSTILE_V6 = (  # noqa: SIM905 - a corpus reads better as words
    ":: ::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 ::0001 ::127.0.0.1 ::7f00:1 "
    "::8.8.8.8 ::ffff:127.0.0.1 ::ffff:7f00:1 ::FFFF:7F00:1 0:0:0:0:0:ffff:127.0.0.1 "
    "0000:0000:0000:0000:0000:ffff:7f00:0001 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::ffff:192.168.0.1 "
    "::ffff:0.0.0.0 ::ffff:100.64.0.1 ::ffff:224.0.0.1 ::ffff:0:127.0.0.1 ::ffff:0:7f00:1 "
    "::ffff:0:8.8.8.8 64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe "
    "64:ff9b::192.168.0.1 64:ff9b:1::1 64:ff9b:1::8.8.8.8 64:ff9b:1:7f00:0:100:: "
    "64:ff9b:2::1 2002:7f00:1:: 2002:a00:1:: 2002:a9fe:a9fe:: 2002:808:808:: 2002:c0a8:1::1 "
    "2001::1 2001:0:7f00:1:: 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:0:808:808::80ff:fffe "
    "2001:2::1 2001:10::1 2001:20::1 2001:30::1 2001:db8::1 2001:db8:ffff::1 2001:1ff::1 "
    "2620:4f:8000::1 3fff::1 3fff:fff::1 5f00::1 100::1 100:0:0:1::1 fc00::1 fd00::1 "
    "fd00:ec2::254 fd20:ce::254 fd00:c1::a9fe:a9fe fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 "
    "feff::1 ff00::1 ff02::1 ff05::2 ff0e::1 4000::1 8000::1 c000::1 e000::1 1::1 200::1 400::1 "
    "2606:4700::5efe:127.0.0.1 2606:4700::5efe:10.0.0.1 2606:4700::200:5efe:192.168.0.1 "
    "2606:4700::5efe:a9fe:a9fe 2a00::200:5efe:7f00:1"
).split()
NAMES = (  # noqa: SIM905 - a corpus reads better as words
    "localhost localhost. LOCALHOST LocalHost. a.localhost b.a.localhost. localhost.localdomain "
    "metadata metadata.google.internal metadata.google.internal. METADATA.GOOGLE.INTERNAL "
    "metadata.goog metadata.goog. instance-data instance-data.ec2.internal metadata.azure.internal "
    "printer.local router.internal"
).split()
HOSTILE = [
    *HOSTILE_V4,
    *(f"[{text}]" for text in HOSTILE_V6),
    *NAMES,
    "[fe80::1%25eth0]",
    "[::1%lo]",
]
FRIENDLY = (  # noqa: SIM905 - a corpus reads better as words
    "1.1.1.1 8.8.8.8 93.184.216.34 172.32.0.1 [2606:4700:4700::1111] [2001:4860:4860::8888] "
    "[::ffff:8.8.8.8] [64:ff9b::808:808] a.example localhost.example"
).split()


async def answer(request):
    return web.json_response(dict(request.headers))


def test_f01_the_corpus_is_large_enough():
    assert len(HOSTILE_V4) + len(HOSTILE_V6) >= 150
    assert len(set(HOSTILE)) == len(HOSTILE)


@pytest.mark.parametrize("host", HOSTILE)
async def test_f01_f02_hostile_hosts_get_no_connection(tmp_path, host):
    dialler = LoopbackDialler(1)
    # A resolver that reads numbers as C libraries do: whatever it is asked, it says loopback.
    names = NameTable(**{host.replace(".", "_"): [["127.0.0.1"]]})
    egress, trail = make_egress(tmp_path, names=names, dialler=dialler)
    async with egress.http_client(EgressCaller("media")) as http:
        with pytest.raises((httpx2.ConnectError, httpx2.InvalidURL)) as caught:
            await http.get(f"http://{host}/")
    assert dialler.dialled == []
    if isinstance(caught.value, httpx2.ConnectError):
        assert refusal_of(caught.value) is not None
        assert len(trail.lines()) == 1


@pytest.mark.parametrize("host", FRIENDLY)
async def test_f01_public_hosts_are_reached(tmp_path, host):
    async with serving(web.get("/", answer)) as port:
        names = NameTable(a_example=[[PUBLIC]], localhost_example=[[PUBLIC]])
        dialler = LoopbackDialler(port)
        egress, _ = make_egress(tmp_path, names=names, dialler=dialler)
        async with egress.http_client(EgressCaller("media")) as http:
            assert (await http.get(f"http://{host}/")).status_code == 200
        assert len(dialler.dialled) == 1


async def test_f03_a_name_that_changes_its_mind_reaches_the_checked_address_or_none(tmp_path):
    async with serving(web.get("/", answer)) as port:
        names = NameTable(a_example=[[PUBLIC], ["127.0.0.1"]])
        dialler = LoopbackDialler(port)
        egress, _ = make_egress(tmp_path, names=names, dialler=dialler)
        for expected in ([PUBLIC], [PUBLIC]):
            async with egress.http_client(EgressCaller("media")) as http:
                try:
                    await http.get("http://a.example/")
                except httpx2.ConnectError as error:
                    assert refusal_of(error) is not None  # noqa: PT017 - both ends are right
            assert dialler.dialled == expected


async def test_f03_a_proxy_of_the_environment_is_ignored(tmp_path, monkeypatch):
    async with serving(web.get("/", answer)) as port:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        dialler = LoopbackDialler(port)
        egress, _ = make_egress(tmp_path, dialler=dialler)
        async with egress.http_client(EgressCaller("media")) as http:
            assert (await http.get(f"http://{PUBLIC}/")).status_code == 200
        assert dialler.dialled == [PUBLIC]


async def test_f04_a_redirect_to_another_origin_carries_no_credentials(tmp_path):
    async def away(request):
        raise web.HTTPFound("http://b.example/")

    async with serving(web.get("/", answer), web.get("/away", away)) as port:
        names = NameTable(a_example=[[PUBLIC]], b_example=[[PUBLIC]])
        egress, _ = make_egress(tmp_path, names=names, dialler=LoopbackDialler(port))
        caller = EgressCaller("media", EgressPolicy(max_redirects=3))
        secrets = {"Authorization": "s", "Cookie": "s=s", "X-Api-Key": "s", "X-Anything": "s"}
        async with egress.http_client(caller) as http:
            got = (await http.get("http://a.example/away", headers=secrets)).json()
    assert not {name.lower() for name in got} & {name.lower() for name in secrets}


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/", "http://127.1/", "http://[::1]/", "file:///etc"]
)
async def test_f05_each_hop_is_checked_again(tmp_path, target):
    async def away(request):
        return web.Response(status=302, headers={"Location": target})

    async with serving(web.get("/", away)) as port:
        dialler = LoopbackDialler(port)
        egress, _ = make_egress(tmp_path, dialler=dialler)
        caller = EgressCaller("media", EgressPolicy(max_redirects=3))
        async with egress.http_client(caller) as http:
            with pytest.raises(httpx2.ConnectError) as caught:
                await http.get(f"http://{PUBLIC}/")
        assert refusal_of(caught.value) is not None
        assert dialler.dialled == [PUBLIC]


@pytest.mark.parametrize(
    "host", ["evil-graph.microsoft.com", "graph.microsoft.com.evil.example", "microsoft.com"]
)
async def test_f07_a_list_of_hosts_means_equality(tmp_path, host):
    dialler = LoopbackDialler(1)
    egress, _ = make_egress(tmp_path, dialler=dialler)
    policy = EgressPolicy(only_hosts=frozenset([("graph.microsoft.com", 443)]))
    async with egress.http_client(EgressCaller("teams", policy)) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(f"https://{host}/")
    assert dialler.dialled == []


@pytest.mark.parametrize("status", [200, 500])
async def test_f08_an_endless_body_is_cut_at_its_cap(tmp_path, status):
    async def endless(request):
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    async with serving(web.get("/", endless)) as port:
        egress, _ = make_egress(tmp_path, dialler=LoopbackDialler(port))
        caller = EgressCaller("media", EgressPolicy(max_wire_bytes=1_000_000))
        seen = 0
        async with egress.http_client(caller) as http:
            with pytest.raises(httpx2.ReadError, match="larger than"):  # noqa: PT012 - it raises amid the loop
                async with http.stream("GET", f"http://{PUBLIC}/") as response:
                    async for piece in response.aiter_bytes():
                        seen += len(piece)
    assert seen <= 1_000_000
