"""The stock terminal interface, unmodified, in a pseudo-terminal against our gateway.

The texts are what it shows against the Node gateway of the same release.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.gateway import TOKEN, model_server, running_gateway, settings
from support.stock_cli import StockCli, Tui, node_folder

pytestmark = [pytest.mark.node, pytest.mark.slow]


@asynccontextmanager
async def terminal(home: Path) -> AsyncGenerator[Tui]:
    """A connected terminal interface."""
    folder = node_folder()
    async with (
        model_server(home) as model,
        running_gateway(home / "gateway", settings(model.port)) as gateway,
        StockCli(folder, home / "person", gateway.url, TOKEN).tui() as tui,
    ):
        await tui.see("gateway connected | idle", 40)
        yield tui


async def test_a_person_asks_reads_the_answer_and_leaves(tmp_path: Path) -> None:
    async with terminal(tmp_path) as tui:
        await tui.see("session agent:main:main")
        await tui.enter("ping from a terminal")
        await tui.see("Echo: ping from a terminal")
        await tui.see("idle")
        await tui.enter("/status")
        shown = await tui.see("flags: system, id:")
        assert "Gateway status" in shown
        assert "Default model: fake-1 (128k ctx)" in shown
        assert "- agent:main:main [direct] | just now | model fake-1" in shown
        await tui.enter("/quit")
        assert await tui.left() == 0


async def test_escape_aborts_a_running_answer_and_the_session_goes_on(tmp_path: Path) -> None:
    async with terminal(tmp_path) as tui:
        await tui.enter("count [[tokens:2000]] [[gap:20]]")
        await tui.see("w9")
        tui.press(b"\x1b")
        await tui.see("run aborted")
        await tui.enter("still there?")
        await tui.see("Echo: still there?")
        await tui.enter("/quit")
        assert await tui.left() == 0


async def test_pickers_show_our_models_and_sessions_and_set_them(tmp_path: Path) -> None:
    async with terminal(tmp_path) as tui:
        await tui.enter("first words")
        await tui.see("Echo: first words")
        await tui.enter("/model")
        await tui.see("fakeant/fake-2")  # in the list alone; the other stands below it all the time
        tui.press(b"\r")
        await tui.see("model set to fake/fake-1")
        await tui.enter("/sessions")
        await tui.see("first words (main)")
