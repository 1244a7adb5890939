"""Files are wired as a whole: they follow the settings, and links are given only if they are on."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from carapace.agent.records_usage import day_totals
from carapace.channels.types import InboundMedia, Target
from carapace.config.settings import Settings
from carapace.config.settings.media import LinkSettings, MediaSettings
from carapace.config.settings.tools import ToolsSettings
from carapace.config.settings.understanding import DocumentReading, MediaReading
from carapace.errors import Refused
from carapace.ids import AgentId
from carapace.media.store import TooLarge
from carapace.provenance import OWNER
from support.chat_rooms import from_anna
from support.fake_llm import fake_llm
from support.house import built
from support.media import PNG

pytestmark = pytest.mark.slow


async def test_links_are_given_only_if_there_is_an_address_for_them(tmp_path: Path):
    async with AsyncExitStack() as stack:
        files = (await built(tmp_path, stack)).files
        item = await files.store.put_bytes(PNG)
        assert await files.link_to(item.id) is None
        links = LinkSettings(public_url="https://gateway.example")
        files.apply(Settings(media=MediaSettings(links=links)))
        address = await files.link_to(item.id)
        assert address is not None
        assert address.startswith("https://gateway.example/media/")
        assert await files.link_to("m-" + "0" * 32) is None


async def test_a_file_to_send_is_fetched_from_public_addresses_only(tmp_path: Path):
    target = Target(channel="webhook", account="default", conversation="c1")
    async with AsyncExitStack() as stack:
        files = (await built(tmp_path, stack)).files
        with pytest.raises(Refused, match="not fetched"):
            await files.fetch("https://127.0.0.1/a.png", target)


async def test_a_file_may_be_as_large_as_its_account_says(tmp_path: Path):
    async with AsyncExitStack() as stack:
        files = (await built(tmp_path, stack)).files
        assert files.of_accounts.max_bytes("webhook", "default") == 5_000_000


async def test_the_store_follows_the_settings(tmp_path: Path):
    async with AsyncExitStack() as stack:
        files = (await built(tmp_path, stack)).files
        await files.store.put_bytes(b"x" * 2_000_000)
        files.apply(Settings(media=MediaSettings(max_item_mb=1)))
        with pytest.raises(TooLarge):
            await files.store.put_bytes(b"x" * 2_000_000)


async def test_a_text_file_reaches_the_turn(tmp_path: Path):
    async with AsyncExitStack() as stack:
        files = (await built(tmp_path, stack)).files
        item = await files.store.put_bytes(b"The meeting is at noon.", filename="note.txt")
        message = replace(from_anna("read this"), media=(InboundMedia(media_id=item.id),))
        found = await files.prepare((message,), OWNER, AgentId("main"))
    assert "The meeting is at noon." in found.text("read this")


async def test_a_long_paper_is_summarised_by_the_agents_model_over_the_wire(tmp_path: Path):
    paper = b"[[say:A short one.]] " + b"word " * 5_000
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(fake_llm())
        model = {"id": "fake-1", "name": "Fake", "cost": {"input": 2.0, "output": 4.0}}
        provider = {
            "baseUrl": f"{server.url}/v1",
            "apiKey": "sk-test-0000000000",
            "api": "openai-completions",
            "models": [model],
        }
        text = json.dumps({"models": {"providers": {"lab": provider}}})
        parts = await built(tmp_path, stack, text)
        files = parts.files
        item = await files.store.put_bytes(paper, filename="paper.txt")
        message = replace(from_anna("read this"), media=(InboundMedia(media_id=item.id),))
        found = await files.prepare((message,), OWNER, AgentId("main"))
        (asked,) = server.requests
        assert "tools" not in asked["body"]
        assert '] file (summary by a model) "paper.txt"\nA short one.\n' in found.extra_text
        (day,) = await parts.database.read(lambda tx: day_totals(tx, "2000-01-01"))
        assert day.requests == 1
        assert day.cost_nano_usd > 0
        off = MediaReading(document=DocumentReading(summary_above_chars="off"))
        files.apply(Settings(tools=ToolsSettings(media=off)))
        found = await files.prepare((message,), OWNER, AgentId("main"))
        assert '] file "paper.txt"\n[[say' in found.extra_text
        assert len(server.requests) == 1
