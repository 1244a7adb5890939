"""What the approvals document means: the stricter word counts, and it holds no secret."""

from __future__ import annotations

import msgspec
import pytest

from carapace.agent.exec import document
from carapace.protocol.approvals import ApprovalsEntry, ApprovalsFile, Ask, Security


def file(text: str) -> ApprovalsFile:
    return msgspec.json.decode(text, type=ApprovalsFile)


EMPTY = file('{"version":1}')


@pytest.mark.parametrize(
    ("text", "security", "ask", "wanted"),
    [
        ('{"version":1}', "deny", "on-miss", ("deny", "on-miss")),
        ('{"version":1}', "full", "off", ("full", "off")),
        # The document can take away, and never give more than the settings do.
        (
            '{"version":1,"defaults":{"security":"full","ask":"off"}}',
            "deny",
            "on-miss",
            ("deny", "on-miss"),
        ),
        (
            '{"version":1,"defaults":{"security":"deny","ask":"always"}}',
            "full",
            "off",
            ("deny", "always"),
        ),
        # The agent's own word goes before that for everybody, that before the defaults.
        (
            '{"version":1,"defaults":{"security":"deny"},"agents":{"*":{"security":"allowlist"}}}',
            "full",
            "off",
            ("allowlist", "off"),
        ),
        (
            '{"version":1,"agents":{"*":{"security":"deny"},"main":{"security":"full"}}}',
            "full",
            "on-miss",
            ("full", "on-miss"),
        ),
    ],
)
def test_the_stricter_of_document_and_settings_counts(
    text: str, security: Security, ask: Ask, wanted: tuple[str, str]
):
    rules = document.rules_of(file(text), "main", security=security, ask=ask)
    assert (rules.security, rules.ask) == wanted


def test_an_agent_has_the_commands_of_everybody_and_its_own():
    text = """{"version":1,"agents":{
        "*":{"allowlist":[{"pattern":"/bin/a"}]},
        "main":{"allowlist":[{"pattern":"/bin/b"}]},
        "other":{"allowlist":[{"pattern":"/bin/c"}]}}}"""
    rules = document.rules_of(file(text), "main", security="allowlist", ask="off")
    assert rules.patterns == ("/bin/a", "/bin/b")


def test_entries_get_ids_and_the_sockets_token_is_forgotten():
    text = """{"version":1,"socket":{"path":" /s ","token":"hush"},
        "agents":{"main":{"allowlist":[{"pattern":"/a"},{"pattern":"/b","id":"kept"}]}}}"""
    kept = document.stamped(file(text), lambda: "new")
    assert [one.id for one in kept.agents["main"].allowlist] == ["new", "kept"]
    assert "hush" not in document.encode(kept)
    assert document.shown(kept, "/default").socket.path == "/s"
    assert document.shown(document.stamped(EMPTY, str), "/default").socket.path == "/default"


def test_what_clients_read_names_every_part():
    assert msgspec.to_builtins(document.shown(EMPTY, "/s.sock")) == {
        "version": 1,
        "socket": {"path": "/s.sock"},
        "defaults": {},
        "agents": {},
    }


def test_a_document_comes_back_from_its_text_and_its_hash_knows_every_change():
    first = document.with_grant(EMPTY, "main", ApprovalsEntry(pattern="digest:aa", id="1"))
    assert document.decode(document.encode(first)) == first
    assert document.hash_of(first) == document.hash_of(document.decode(document.encode(first)))
    assert document.hash_of(first) != document.hash_of(EMPTY)


def test_the_same_grant_is_kept_once_and_the_oldest_make_room():
    grown = EMPTY
    for number in range(document.MAX_GRANTS + 2):
        entry = ApprovalsEntry(pattern=f"digest:{number}", id=str(number))
        grown = document.with_grant(grown, "main", entry)
    again = document.with_grant(grown, "main", ApprovalsEntry(pattern="digest:500", id="new"))
    patterns = [one.pattern for one in again.agents["main"].allowlist]
    assert len(patterns) == document.MAX_GRANTS
    assert patterns[0] == "digest:2"
    assert patterns[-1] == "digest:500"
    assert patterns.count("digest:500") == 1


@pytest.mark.parametrize(
    ("security", "ask", "wanted"),
    [
        (None, None, ("allowlist", "on-miss")),
        ("full", "off", ("allowlist", "on-miss")),
        ("deny", "always", ("deny", "always")),
        ("some", "maybe", ("allowlist", "on-miss")),
    ],
)
def test_a_session_narrows_the_rules_and_never_widens_them(
    security: str | None, ask: str | None, wanted: tuple[str, str]
):
    rules = document.narrowed(document.ExecRules("allowlist", "on-miss", ("/a",)), security, ask)
    assert (rules.security, rules.ask, rules.patterns) == (*wanted, ("/a",))
