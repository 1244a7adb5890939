"""A local Ollama is found by asking, quickly."""

from __future__ import annotations

import asyncio

import pytest

from carapace.agent.providers.ollama import probe_ollama
from carapace.agent.providers.spec import Api
from support.fake_llm import fake_llm
from support.providers import collect, plain_client, provider, request, text_of


async def test_its_models_are_listed_without_the_ones_that_cannot_talk() -> None:
    async with fake_llm() as server:
        server.models = ("llama3:8b", "nomic-embed-text")
        env = {"OLLAMA_HOST": server.url}
        found = await probe_ollama(env, plain_client)
        assert found is not None
        assert (found.name, found.api) == ("ollama", Api.OPENAI_COMPLETIONS)
        assert [model.id for model in found.models] == ["llama3:8b"]
        assert found.allow_private
        source = provider(found)
        assert text_of(await collect(source, request("[[say:hi]]"))) == "hi"
        await source.aclose()


async def test_no_model_no_server_and_no_answer_are_no_ollama() -> None:
    async with fake_llm() as server:
        server.models = ()
        assert await probe_ollama({"OLLAMA_HOST": server.url}, plain_client) is None
        missing = {"OLLAMA_HOST": server.url.replace("http://", "") + "1"}
        assert await probe_ollama(missing, plain_client) is None
    assert await probe_ollama({"OLLAMA_HOST": "127.0.0.1:1"}, plain_client) is None


@pytest.mark.slow
async def test_a_silent_server_is_given_three_tenths_of_a_second() -> None:
    released = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with asyncio.timeout(2):
            assert await probe_ollama({"OLLAMA_HOST": f"127.0.0.1:{port}"}, plain_client) is None
        released.set()
