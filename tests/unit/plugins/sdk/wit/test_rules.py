"""The contract's own rules, and what a new version of it may not do."""

from __future__ import annotations

import pytest

from carapace.plugins.sdk.wit.rules import broken_promises, offences
from carapace.plugins.sdk.wit.syntax import Package, parse

GOOD = """package carapace:plugin@1.0.0;
interface types { record error { code: string } }
/// In.
interface log { use types.{error}; emit: func(text: string) -> result<_, error>; }
/// Out.
interface tool { enum risk { low, high } run: func(name: string) -> risk; }
/// All.
world everything { import log; export tool; }
"""


def changed(old: str, new: str) -> Package:
    assert old in GOOD
    return parse(GOOD.replace(old, new))


def test_a_contract_that_keeps_the_rules_has_no_offences():
    assert offences(parse(GOOD)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("/// In.\n", "", "log: has no documentation"),
        ("text: string", "text: list<u8>", "log.emit: list<u8>"),
        ("code: string", "code: option<u64>", "types.error: u64; write f64 or u32"),
        ("export tool;", "", "world everything: leaves out tool"),
        ("export tool;", "export tool; export gone;", "there is no interface gone"),
        ("world everything", "world other", "there is no world everything"),
        ("low, high", ", ".join(f"a{n}" for n in range(33)), "more than 32 cases"),
    ],
)
def test_an_offence_is_named(old: str, new: str, said: str):
    assert any(said in each for each in offences(changed(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("emit: func(text: string)", "emit: func(text: bool)", "log.emit: changed from"),
        ("-> risk;", "-> result<risk>;", "tool.run: changed"),
        ("name: string", "other: string", "tool.run: changed"),
        ("low, high", "low, high, higher", "tool.risk: changed"),
        ("enum risk { low, high }", "enum danger { low, high }", "tool.risk: was taken away"),
        ("emit: func", "write: func", "log.emit: was taken away"),
        ("run: func", "more: func(); run: func", "tool.more: plugins of today do not export it"),
        ("import log;", "", "world everything: no longer has log"),
    ],
)
def test_a_broken_promise_is_named(old: str, new: str, said: str):
    text = GOOD.replace(old, new).replace("-> risk", "-> danger" if "danger" in new else "-> risk")
    assert any(said in each for each in broken_promises(parse(GOOD), parse(text)))


def test_an_interface_that_went_is_named():
    now = parse(
        GOOD.replace("interface log", "interface logs").replace("import log", "import logs")
    )
    assert "log: was taken away" in broken_promises(parse(GOOD), now)


def test_a_world_that_went_is_named():
    now = changed("world everything", "world other")
    assert "world everything: no longer has log" in broken_promises(parse(GOOD), now)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("interface log {", "interface more { f: func(); } /// In.\ninterface log {"),
        ("emit: func", "flush: func(); emit: func"),
        ("/// In.", "/// In other words."),
        ("enum risk", "record later { at: f64 } enum risk"),
    ],
)
def test_additions_and_words_break_nothing(old: str, new: str):
    assert broken_promises(parse(GOOD), changed(old, new)) == []


def test_a_new_major_version_may_change_everything():
    now = parse(GOOD.replace("@1.0.0", "@2.0.0").replace("emit", "write"))
    assert broken_promises(parse(GOOD), now) == []
