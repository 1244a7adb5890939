"""The table of hostile URLs, through every entry that takes one, and more made by hypothesis."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import httpx2
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import carapace
from carapace.net.address import refusal
from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.net.refused import refusal_of
from carapace.net.url import InvalidUrl, join_url, literal, parse_url
from security.hostile_urls import ALLOW, REFUSE, ROWS
from support.public_web import PublicWeb, public_web
from support.url_entries import ENTRIES, REFUSALS

HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
SOURCE = Path(carapace.__file__).parent
BELOW_PUB = (
    "a.b.c xn--bcher-kva a_b localhost 127.0.0.1 169-254-169-254".split()  # noqa: SIM905 - as the table
)
STANDARD_DEADLINE = settings(max_examples=200, deadline=None)


async def answer(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def populate(internet: PublicWeb) -> str:
    """The hosts of the table: two public ones, and names that lead inside."""
    address = await internet.host("pub.example", web.route("*", "/{path:.*}", answer))
    await internet.host("other.example", web.route("*", "/{path:.*}", answer))
    for label in BELOW_PUB:
        internet.point(f"{label}.pub.example", address)
    internet.point("mixed.example", address, "127.0.0.1")
    internet.point("mixed6.example", address, "::1")
    internet.point("hidden.example", address, "64:ff9b::a9fe:a9fe")
    internet.point("rebind.example", "192.168.0.1")
    internet.names.otherwise = ["127.0.0.1"]
    for same in ("::ffff:93.184.216.1", "::ffff:5db8:d801", "64:ff9b::5db8:d801"):
        internet.also(address, same)
    return address


def test_the_table_is_large_and_has_no_row_twice():
    urls = [row.url for row in ROWS]
    assert len(urls) >= 300
    assert len(set(urls)) == len(urls)
    assert {row.verdict for row in ROWS} == {ALLOW, REFUSE}


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
async def test_each_entry_reaches_what_it_may_and_nothing_else(tmp_path, entry):
    wrong = []
    async with public_web(tmp_path) as internet:
        await populate(internet)
        async with entry.drive(internet, tmp_path / "entry") as open_url:
            for row in ROWS:
                if entry.takes_links and not HAS_SCHEME.match(row.url):
                    continue
                internet.dialled.clear()
                error = None
                try:
                    await open_url(row.url)
                except REFUSALS as caught:
                    error = caught
                is_open = row.verdict == ALLOW and (
                    entry.takes_http or row.url.lower().startswith("https://")
                )
                # A dial is what counts: the table's hosts answer, whatever an entry makes of it.
                if bool(internet.dialled) is not is_open:
                    wrong.append((row.url, row.verdict, internet.dialled[:], error))
                assert all(is_public(address) for address, _ in internet.dialled)
    assert not wrong, "\n".join(map(str, wrong))


def is_public(address: str) -> bool:
    found = literal(address)
    return found is not None and refusal(found) is None


@pytest.mark.slow
async def test_each_row_is_judged_the_same_as_the_target_of_a_redirect(tmp_path):
    async def away(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": target[-1]})

    target: list[str] = []
    wrong = []
    async with public_web(tmp_path) as internet:
        await populate(internet)
        start = await internet.host("start.example", web.get("/", away))
        caller = EgressCaller("test", EgressPolicy(max_redirects=1))
        for row in ROWS:
            if not fits_a_header(row.url) or not HAS_SCHEME.match(row.url):
                continue
            target.append(row.url)
            internet.dialled.clear()
            refused = False
            # One client a row: a kept connection would not be dialled again.
            async with internet.egress.http_client(caller) as http:
                try:
                    await http.get("https://start.example/")
                except httpx2.ConnectError as error:
                    refused = refusal_of(error) is not None
            beyond = [address for address, _ in internet.dialled if address != start]
            # https to http is refused whatever the host
            is_open = row.verdict == ALLOW and row.url.lower().startswith("https://")
            if bool(beyond) is not is_open or refused is is_open:
                wrong.append((row.url, row.verdict, beyond))
    assert len(target) > 300
    assert not wrong, "\n".join(map(str, wrong))


def fits_a_header(url: str) -> bool:
    return url.isascii() and url.isprintable() and url == url.strip()


def makers() -> dict[str, set[str]]:
    """Files of `src` by what they do: make an `EgressCaller`, or ask for a way out."""
    found: dict[str, set[str]] = {"EgressCaller": set(), "way out": set()}
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            if isinstance(called, ast.Name) and called.id == "EgressCaller":
                found["EgressCaller"].add(name)
            if isinstance(called, ast.Attribute) and called.attr in {"http_client", "websocket"}:
                found["way out"].add(name)
    return found


def test_no_module_goes_out_without_being_in_the_table():
    """A new entry joins `support.url_entries`; without that this fails."""
    listed = {entry.module for entry in ENTRIES if entry.module is not None}
    found = makers()
    assert found["EgressCaller"] == listed
    ways = {way for entry in ENTRIES for way in entry.ways}
    assert found["way out"] - {"net/client.py"} <= listed | ways


NASTY = st.text(alphabet="abx017f.:@/\\[]%#?- _\t\n\u3002\uff0e\u2460;,&=+*~", max_size=40)
HOSTS = st.one_of(
    NASTY,
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.integers(0, 2**34).map(str),
    st.integers(0, 2**34).map(hex),
    st.sampled_from([row.url.partition("://")[2] for row in ROWS if "://" in row.url]),
)
URLS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["http://", "https://", "http:/", "HTTP://", "//", "", "http:\\\\", "ftp://"]),
    HOSTS,
    NASTY | st.just(""),
)


@given(URLS)
@STANDARD_DEADLINE
def test_the_library_sees_the_same_host_as_the_parser(url):
    """What the parser takes, the HTTP library reads as the same scheme, host and port."""
    try:
        ours = parse_url(url)
    except InvalidUrl:
        return
    theirs = httpx2.URL(url)
    assert theirs.scheme == ours.scheme
    assert theirs.host.rstrip(".").lower() == ours.host or literal(ours.host) is not None
    assert (theirs.port or {"http": 80, "https": 443}[theirs.scheme]) == ours.port
    assert parse_url(str(theirs)).origin == ours.origin


@given(NASTY | URLS)
@STANDARD_DEADLINE
def test_a_link_that_can_be_joined_parses_again(reference):
    try:
        joined = join_url("https://pub.example/a/b", reference)
    except InvalidUrl:
        return
    assert parse_url(joined).scheme in {"http", "https"}


@pytest.mark.slow
@given(url=URLS)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whatever_is_asked_for_only_public_addresses_are_dialled(tmp_path_factory, url):
    async with public_web(tmp_path_factory.mktemp("web")) as internet:
        internet.names.otherwise = ["127.0.0.1"]
        async with internet.egress.http_client(EgressCaller("test")) as http:
            with pytest.raises(httpx2.HTTPError):
                await http.get(url)
        assert all(is_public(address) for address, _ in internet.dialled)
