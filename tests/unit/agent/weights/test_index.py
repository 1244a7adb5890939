from __future__ import annotations

import sys

import httpx2
import pytest
from aiohttp import web

from carapace.agent.weights.index import Index, find_index, locate, read_page, run_pip
from carapace.errors import Failed
from support.egress import serving


def pip(**answers):
    async def run(arguments):
        return answers.get(arguments[0])

    return run


HELP = "  -i, --index-url <url>   Base URL (default\n      https://default.example/simple). Rest"


async def test_variables_win_then_configuration_then_the_default():
    everything = pip(config="https://file.example/simple/\n", install=HELP)
    found = await find_index({"PIP_INDEX_URL": "https://env.example/simple/"}, everything)
    assert (found.url, found.configured_by) == ("https://env.example/simple", "PIP_INDEX_URL")
    uv_too = {"PIP_INDEX_URL": "https://b.example", "UV_DEFAULT_INDEX": "https://a.example"}
    assert (await find_index(uv_too, everything)).url == "https://a.example"
    assert (await find_index({}, everything)).url == "https://file.example/simple"
    assert (await find_index({}, pip(install=HELP))).url == "https://default.example/simple"


async def test_no_index_is_an_error_with_a_next_step():
    with pytest.raises(Failed, match="PIP_INDEX_URL"):
        await find_index({}, pip(install="nothing here"))


@pytest.mark.parametrize("url", ["file:///opt/simple", "nonsense"])
async def test_an_index_that_is_no_web_address_is_an_error(url):
    with pytest.raises(Failed, match="cannot be used"):
        await find_index({"PIP_INDEX_URL": url}, pip())


async def test_credentials_become_a_header_and_are_never_shown():
    found = await find_index({"PIP_INDEX_URL": "https://me:p%40ss@a.example/simple"}, pip())
    assert found.url == "https://a.example/simple"
    assert found.authorization == "Basic bWU6cEBzcw=="
    assert "bWU6" not in repr(found)


@pytest.mark.slow
async def test_this_pythons_pip_is_asked():
    assert "pip" in (await run_pip(["--version"]) or "")
    assert await run_pip(["no-such-command"]) is None


async def test_a_pip_that_hangs_is_given_up(monkeypatch, tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr("carapace.agent.weights.index._PIP_TIMEOUT_S", 0.05)
    assert await run_pip(["x"]) is None


def test_pages_are_read_in_both_forms():
    html = '<a href="../f.whl#sha256=ab">f.whl</a>\n<a href="g">g</a><a>no</a>'
    assert read_page(html, "text/html") == [
        ("f.whl", "../f.whl#sha256=ab", "ab"),
        ("g", "g", None),
    ]
    text = '{"files": [{"filename": "f", "url": "u", "hashes": {"sha256": "ab"}, "size": 1}]}'
    assert read_page(text, "application/vnd.pypi.simple.v1+json") == [("f", "u", "ab")]
    with pytest.raises(Failed, match="unreadable"):
        read_page("{", "application/json")


async def test_a_file_is_located_by_name_and_hash():
    seen = []

    async def page(request):
        seen.append(request.headers.get("authorization"))
        return web.json_response(
            {"files": [{"filename": "f", "url": "../../files/f#x", "hashes": {"sha256": "AB"}}]}
        )

    async with serving(web.get("/simple/p/", page)) as port:
        index = Index(f"http://127.0.0.1:{port}/simple", "a test", "Basic x")
        async with httpx2.AsyncClient(trust_env=False) as http:
            url = await locate(http, index, "p", "f", "ab")
            assert url == f"http://127.0.0.1:{port}/files/f"
            with pytest.raises(Failed, match="another file"):
                await locate(http, index, "p", "f", "cd")
            with pytest.raises(Failed, match="has no g"):
                await locate(http, index, "p", "g", "ab")
            with pytest.raises(Failed, match="404"):
                await locate(http, index, "q", "f", "ab")
    assert seen == ["Basic x"] * 3
