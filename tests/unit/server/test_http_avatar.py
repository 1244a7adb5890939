"""Pictures are for those who may look; strangers hear that there is none."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import msgspec
import pytest

from carapace.server.http_avatar import AvatarRoutes
from carapace.server.signed_links import SignedLinks
from support.openai_requests import access
from support.server import TOKEN, running_server

AUTH = {"Authorization": f"Bearer {TOKEN}"}


class Looks:
    """Satisfies `Avatars`."""

    def __init__(self, root: Path) -> None:
        self.said = {"main": "avatars/me.png", "emoji": "🐚", "out": "../out.png"}
        self.said |= {"web": "https://public/x.png", "text": "AGENTS.md"}
        self._root = root

    def avatar(self, agent_id: str) -> tuple[str, Path] | None:
        return (self.said[agent_id], self._root) if agent_id in self.said else None


@pytest.fixture
async def get(tmp_path):
    workspace = tmp_path / "workspace"
    (workspace / "avatars").mkdir(parents=True)
    (workspace / "avatars" / "me.png").write_bytes(b"png")
    (workspace / "AGENTS.md").write_text("secret")
    (tmp_path / "out.png").write_bytes(b"secret")

    def prepare(server, admitter) -> None:
        links = SignedLinks("avatar", now_ms=lambda: 1)
        routes = AvatarRoutes(Looks(workspace), access=access(server, admitter), links=links)
        server.add(routes)

    async with (
        running_server(tmp_path, prepare=prepare) as running,
        aiohttp.ClientSession() as http,
    ):

        async def get(path: str, headers=None):
            async with http.get(running.url + path, headers=headers) as response:
                return response.status, await response.read(), response.headers

        yield get


async def test_strangers_hear_that_there_is_no_picture(get):
    status, body, headers = await get("/avatar/main?meta=1")
    assert (status, msgspec.json.decode(body)) == (200, {"avatarUrl": None})
    assert headers["Cache-Control"] == "no-cache"
    assert (await get("/avatar/main"))[0] == 404
    assert (await get("/avatar/main?pass=1.x"))[0] == 404


async def test_the_address_opens_the_picture_without_a_header(get):
    body = (await get("/avatar/main?meta=1", AUTH))[1]
    address = msgspec.json.decode(body)["avatarUrl"]
    status, picture, headers = await get(address)
    assert (status, picture, headers["Content-Type"]) == (200, b"png", "image/png")
    assert (await get(address.replace("main", "emoji")))[0] == 404


async def test_a_credential_opens_it_as_well(get):
    assert (await get("/avatar/MAIN", AUTH))[1] == b"png"
    assert (await get("/avatar/main", {"Authorization": "Bearer wrong"}))[0] == 404
    assert (await get("/avatar/main?meta=1", {"Authorization": "Bearer wrong"}))[0] == 401


@pytest.mark.parametrize(
    ("agent", "address"),
    [("emoji", None), ("nobody", None), ("text", None), ("web", "https://public/x.png")],
)
async def test_what_is_no_file_of_ours_has_no_address_of_ours(get, agent, address):
    body = (await get(f"/avatar/{agent}?meta=1", AUTH))[1]
    assert msgspec.json.decode(body) == {"avatarUrl": address}


@pytest.mark.parametrize("agent", ["out", "text", "web", "nobody", "..%2fx"])
async def test_only_pictures_of_the_workspace_are_served(get, agent):
    status, body, _ = await get(f"/avatar/{agent}", AUTH)
    assert status == 404
    assert b"secret" not in body
