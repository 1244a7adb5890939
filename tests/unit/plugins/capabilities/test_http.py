"""`http.fetch` takes and gives plain records."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from carapace.plugins.capabilities.http import HttpCapability
from support.capabilities import code_of, outbound_rig, plain_request


async def test_a_request_is_answered(tmp_path: Path):
    async def give(_: web.Request) -> web.Response:
        return web.Response(text="hi", headers={"X-A": "1"})

    async with outbound_rig(tmp_path, web.get("/x", give)) as rig:
        call = HttpCapability(rig.requester).call
        answer = await call("fetch", [plain_request(rig.url + "/x")])
        assert answer["status"] == 200
        assert answer["body"] == {"tag": "text", "value": "hi"}
        assert {"name": "x-a", "value": "1"} in answer["headers"]
        wrong = plain_request("https://evil.example/")
        assert await code_of(call("fetch", [wrong])) == "not-granted"
        assert await code_of(call("fetch", [{}])) == "invalid-argument"
