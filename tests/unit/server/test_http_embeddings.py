"""`/v1/embeddings` is for those who may start turns, and every failure has its status."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from carapace.agent.providers.ports import Embedded, ProviderError, ProviderFault
from carapace.errors import Failed, Refused
from carapace.server.http_embeddings import EmbeddingRoutes
from support.openai_requests import access
from support.server import TOKEN, running_server


class Vectors:
    """Gives each text its length, or raises `error`; waits while `go` is not set."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked: list[tuple[str, tuple[str, ...], int | None]] = []
        self.full = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def embed(self, model, texts, *, dimensions=None) -> Embedded:
        self.asked.append((model, texts, dimensions))
        if len(self.asked) == 8:
            self.full.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return Embedded(model, tuple((float(len(text)),) for text in texts), 1)


@pytest.fixture
def vectors() -> Vectors:
    return Vectors()


@pytest.fixture
async def ask(tmp_path, vectors):
    def prepare(server, admitter) -> None:
        judge = access(server, admitter)
        server.add(EmbeddingRoutes(vectors, access=judge, max_body_bytes=200))

    async with (
        running_server(tmp_path, prepare=prepare) as running,
        aiohttp.ClientSession() as http,
    ):

        async def ask(token=TOKEN, **body):
            head = {"Authorization": f"Bearer {token}"}
            sent = {"model": "m", "input": "abc", **body}
            url = running.url + "/v1/embeddings"
            async with http.post(url, json=sent, headers=head) as response:
                return response.status, await response.json()

        yield ask


async def test_texts_become_vectors(ask, vectors):
    status, body = await ask(input=["abc", "de"], dimensions=1)
    assert status == 200
    assert [row["embedding"] for row in body["data"]] == [[3.0], [2.0]]
    assert vectors.asked == [("m", ("abc", "de"), 1)]
    assert (await ask(encoding_format="base64"))[1]["data"][0]["embedding"] == "AABAQA=="


async def test_who_may_not_and_what_is_too_long_makes_nothing(ask, vectors):
    assert (await ask(token="wrong"))[0] == 401
    assert (await ask(input="x" * 300))[0] == 413
    assert (await ask(input=[]))[0] == 400
    assert vectors.asked == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused("no model", code="NOT_FOUND"), 404),
        (Refused("too long"), 400),
        (Failed("it died"), 503),
        (ProviderError(ProviderFault.BAD_REQUEST, "no"), 400),
        (ProviderError(ProviderFault.RATE_LIMIT, "slow down", retry_after_s=3.0), 429),
        (ProviderError(ProviderFault.AUTH, "no key"), 502),
    ],
)
async def test_failures_are_told_apart(ask, vectors, error, status):
    vectors.error = error
    found, body = await ask()
    assert (found, body["error"]["message"]) == (status, error.message)


async def test_only_some_are_made_at_once_and_places_come_back(ask, vectors):
    vectors.go.clear()
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(ask()) for _ in range(8)]
        await vectors.full.wait()
        assert (await ask())[0] == 429
        vectors.go.set()
    assert {task.result()[0] for task in waiting} == {200}
    assert (await ask())[0] == 200
