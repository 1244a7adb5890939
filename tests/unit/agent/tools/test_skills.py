"""`read_skill`: what the agent opens, and what it never sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapace.agent.approval import Risk
from carapace.agent.skills.shelf import SkillShelf
from carapace.agent.tools import skills
from carapace.agent.tools.registry import ToolTrouble
from carapace.agent.tools.skills import ReadSkill, skill_tools
from carapace.config.settings.skills import SkillEntry, SkillsSettings
from carapace.ids import AgentId
from support.clock import FakeClock
from support.skills import make_shelf, write_skill


class Context:
    """As much of a `ToolContext` as the tool looks at."""

    agent_id = AgentId("main")


async def read(shelf: SkillShelf, folder: Path, **arguments: Any) -> str:
    row = skill_tools(shelf, lambda agent: folder / str(agent))["read_skill"]
    context: Any = Context()
    return str(await row.handler(context, msgspec.convert(arguments, ReadSkill)))


async def test_the_text_comes_with_its_folder_and_its_settings_without_secrets(tmp_path: Path):
    write_skill(tmp_path / "main" / "skills", "crab", body="Walk sideways.")
    config = {"beach": "north", "apiKey": "s3cret"}
    settings = SkillsSettings(entries={"crab": SkillEntry(config=config)})
    text = await read(make_shelf(tmp_path, FakeClock(), settings=settings), tmp_path, name="crab")
    assert text.startswith(f"Skill crab, in {tmp_path}/main/skills/crab")
    assert '"beach":"north"' in text
    assert "s3cret" not in text
    assert text.endswith("Walk sideways.")


async def test_files_beside_it_are_read_and_others_are_not(tmp_path: Path):
    folder = write_skill(tmp_path / "managed", "crab")
    (folder / "more.md").write_text("more")
    shelf = make_shelf(tmp_path, FakeClock())
    assert await read(shelf, tmp_path, name="crab", file="more.md") == "more"
    with pytest.raises(ToolTrouble, match="below the skill's folder"):
        await read(shelf, tmp_path, name="crab", file="../../secret")


async def test_one_that_is_of_no_use_here_is_not_opened(tmp_path: Path):
    write_skill(tmp_path / "managed", "crab", {"requires": {"bins": ["gone"]}})
    shelf = make_shelf(tmp_path, FakeClock())
    for name in ("crab", "lobster"):
        with pytest.raises(ToolTrouble, match="no skill"):
            await read(shelf, tmp_path, name=name)


async def test_a_long_text_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(skills, "_MAX_CHARS", 100)
    write_skill(tmp_path / "managed", "crab", body="x" * 500)
    text = await read(make_shelf(tmp_path, FakeClock()), tmp_path, name="crab")
    assert "left out" in text
    assert len(text) < 200


def test_it_only_looks():
    shelf: Any = None
    assert skill_tools(shelf, Path)["read_skill"].risk is Risk.READ
