"""The tools that the wired gateway adds, and what calls them for programs."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from carapace.agent.prompt import PromptStyle
from carapace.agent.tools.invoke import Invoked, NotInvoked
from carapace.agent.tools.policy import GROUPS
from carapace.agent.types import RunSource
from support.house import built
from support.media import PNG
from support.tool_calls import program

pytestmark = pytest.mark.slow

ADDED = {
    *("read", "write", "edit", "apply_patch", "image", "web_fetch", "web_search", "message"),
    *("sessions_send", "agents_list"),
}


async def test_the_owner_has_all_of_them_and_visitors_those_that_a_person_allows(tmp_path: Path):
    async with AsyncExitStack() as stack:
        tools = (await built(tmp_path, stack)).tools
        full = PromptStyle.FULL
        assert {one.name for one in tools.specs(RunSource.OPERATOR, full)} >= ADDED
        visitor = {one.name for one in tools.specs(RunSource.VISITOR, full)}
        assert visitor & ADDED == {"write", "edit", "apply_patch", "message", "sessions_send"}
        assert tools.specs(RunSource.OUTSIDE, full) == ()
        assert tools.unknown() == ()


async def test_programs_reach_those_that_are_not_about_the_machine(tmp_path: Path):
    async with AsyncExitStack() as stack:
        invoker = (await built(tmp_path, stack)).invoker
        listed = await invoker.invoke("agents_list", caller=program())
        assert isinstance(listed, Invoked)
        assert listed.result["details"] == {
            "requester": "main",
            "allowAny": False,
            "agents": [{"id": "main", "configured": False}],
        }
        for name in GROUPS["group:fs"]:
            found = await invoker.invoke(name, args={"path": "a"}, caller=program())
            assert found == NotInvoked("not_found", f"Tool not available: {name}")


async def test_the_web_is_closed_inside_and_nobody_searches_unasked(tmp_path: Path):
    async with AsyncExitStack() as stack:
        invoker = (await built(tmp_path, stack)).invoker
        page = await invoker.invoke(
            "web_fetch", args={"url": "http://127.0.0.1:1/"}, caller=program()
        )
        assert page == NotInvoked("tool_error", "The page is not open to this gateway.")
        search = await invoker.invoke("web_search", args={"query": "tea"}, caller=program())
        assert isinstance(search, NotInvoked)
        assert "No search engine is set up" in search.message


async def test_a_picture_needs_somebody_who_sees(tmp_path: Path):
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack)
        root = parts.profiles.get(parts.profiles.default_id).workspace.root
        root.mkdir(parents=True, exist_ok=True)
        (root / "a.png").write_bytes(PNG)
        found = await parts.invoker.invoke("image", args={"image": "a.png"}, caller=program())
        assert isinstance(found, NotInvoked)
        assert found.message.startswith("The picture c")
        fetched = await parts.invoker.invoke(
            "image", args={"image": "https://127.0.0.1/a.png"}, caller=program()
        )
        assert isinstance(fetched, NotInvoked)
        assert "not fetched" in fetched.message


async def test_a_message_needs_a_channel_and_a_session_somebody_to_write_to(tmp_path: Path):
    async with AsyncExitStack() as stack:
        invoker = (await built(tmp_path, stack)).invoker
        sent = await invoker.invoke("message", args={"message": "hi"}, caller=program())
        assert isinstance(sent, NotInvoked)
        assert sent.message.startswith("Say which con")
        written = await invoker.invoke(
            "sessions_send", args={"sessionKey": "other", "message": "hi"}, caller=program()
        )
        assert written == NotInvoked("tool_error", "There is no such session; use sessions_list.")
