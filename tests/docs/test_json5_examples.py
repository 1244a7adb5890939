"""Every piece of configuration that a page shows can be copied as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from carapace.channels.access.types import AccessSettings
from carapace.channels.access.warnings import access_warnings
from carapace.channels.mentions import MentionPatterns
from carapace.config.load import Overrides, load
from carapace.config.reader import DiskReader

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCKS = [
    pytest.param(found[1], id=f"{path.stem}-{number}")
    for path in sorted(DOCS.glob("how-to/*.md"))
    for number, found in enumerate(
        re.finditer(r"```json5\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_it_is_read_without_an_issue_or_a_warning(block: str, tmp_path: Path):
    file = tmp_path / "carapace.json"
    file.write_text(block, encoding="utf-8")
    for included in re.findall(r'"\./([\w-]+\.json5?)"', block):
        (tmp_path / included).write_text("{}", encoding="utf-8")
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block), "x" * 40)
    loaded = load(file, DiskReader(), Overrides(environment=variables, flags={}))
    assert [one.message for one in (*loaded.issues, *loaded.warnings)] == []
    settings = loaded.settings
    assert settings is not None
    mentions = MentionPatterns(settings.messages.group_chat.mention_patterns)
    people = AccessSettings.of(settings.channels, settings.messages, settings.commands)
    assert access_warnings(people, mentions) == ()
