"""`cara up` with its chat, on a real terminal."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.gateway import environment, free_port, model_server, settings
from support.polling import until
from support.terminal import Terminal, terminal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no pty on Windows"),
]

CARA = str(Path(sys.executable).parent / "cara")


@asynccontextmanager
async def chatting(home: Path) -> AsyncGenerator[Terminal]:
    """A gateway with its chat, at the first prompt."""
    async with model_server(home) as model:
        path = home / "carapace.json"
        path.write_text(json.dumps(settings(model.port)))
        command = [CARA, "up", "--config", str(path), "--no-model", "--port", str(free_port())]
        with terminal(command, environment(home), home) as screen:
            greeting = await screen.shows("you> ")
            assert "Carapace listens on http://127.0.0.1:" in greeting
            assert "cara token show" in greeting
            assert "Traceback" not in greeting
            yield screen


async def test_an_answer_is_streamed_and_quit_ends_the_gateway(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.type("good morning")
        assert "Echo: good morning" in await screen.shows("you> ")
        screen.type("[[tokens:40]] [[gap:50]]")
        await screen.shows("w3")  # shown while the rest is still being made
        assert "w39" not in screen.text
        await screen.shows("you> ")
        screen.type("/new")
        assert "A new conversation." in await screen.shows("you> ")
        screen.type("/abort")
        assert "Nothing was running." in await screen.shows("you> ")
        screen.type("/help")
        assert "/quit" in await screen.shows("you> ")
        screen.type("/quit")
        assert await screen.ends() == 0
        assert "Traceback" not in screen.text


async def test_ctrl_c_ends_the_answer_first_and_the_gateway_then(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.type("[[tokens:200]] [[gap:100]]")
        await screen.shows("w2")
        screen.interrupt()
        assert "(aborted)" in await screen.shows("you> ")
        screen.type("still there?")
        assert "Echo: still there?" in await screen.shows("you> ")
        screen.interrupt()
        assert await screen.ends() == 0
        assert "Traceback" not in screen.text


async def test_end_of_input_leaves(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.type("\x04")
        assert await screen.ends() == 0


async def test_sigterm_at_the_prompt_ends_it_within_ten_seconds(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.signal(signal.SIGTERM)
        assert await screen.ends(deadline_s=10) == 0
        assert "Traceback" not in screen.text


async def test_sigterm_during_an_answer_ends_it_within_ten_seconds(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.type("[[hang]] please")
        await screen.shows("hang]] please\n")
        screen.signal(signal.SIGTERM)
        assert await screen.ends(deadline_s=10) == 0
        assert "Traceback" not in screen.text


async def test_a_restart_of_the_gateway_leaves_the_chat_alone(tmp_path: Path):
    def starts() -> int:
        trail = (tmp_path / ".carapace" / "audit").rglob("*.jsonl")
        return sum(path.read_text().count("gateway.started") for path in trail)

    async with chatting(tmp_path) as screen:
        screen.type("good morning")
        await screen.shows("you> ")
        config = json.loads((tmp_path / "carapace.json").read_text())
        config["gateway"]["tickIntervalS"] = 7
        (tmp_path / "carapace.json").write_text(json.dumps(config))
        await until(lambda: starts() > 1, deadline_s=20)
        screen.type("still there")
        assert "Echo: still there" in await screen.shows("you> ")
        screen.type("/quit")
        assert await screen.ends() == 0
