"""Operators are asked within what the document leaves open; silence and absence are a no."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from carapace.agent.approval import ApprovalRequest, Decision, Risk, Ruling
from carapace.agent.exec.approver import PersonApprover
from carapace.agent.exec.book import ApprovalsBook
from carapace.agent.exec.pending import PendingApprovals
from carapace.agent.exec.processes import Processes
from carapace.agent.exec.service import ExecParams, ExecService
from carapace.config.settings.agent_exec import AgentExec
from carapace.config.settings.exec import ExecSettings
from carapace.ids import AgentId, SessionKey
from carapace.protocol.approvals import ApprovalDecision, ApprovalsFile, ApprovalSubject
from carapace.protocol.events import Event
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.sessions.types import SessionEntry
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock
from support.commands import Yard
from support.database import memory_database

HTTP = Provenance(origin=Origin.HTTP, authority=Authority.OWNER)
OUTSIDE = Provenance(origin=Origin.HOOK, authority=Authority.OUTSIDE)


class Desk:
    """An approver, and a person who answers each question at once, or does not."""

    def __init__(self, folder: Path, database: Any) -> None:
        clock = FakeClock()
        self.folder = folder
        self.yard = Yard(folder)
        self.asked: list[ApprovalSubject] = []
        self.told: list[str] = []
        self.answer: ApprovalDecision | None = None
        self.is_anybody_there = True
        self.is_in_a_chat = False
        self.entry: SessionEntry | None = None
        audit = Audit(folder / "audit", clock=clock, redactor=Redactor())
        self.book = ApprovalsBook(database, clock, audit=audit, path=folder / "c.db")
        self.pending = PendingApprovals(self.hear, clock, max_pending=1)
        self.service = ExecService(
            Processes(self.yard.private, clock),
            ExecSettings(security="allowlist"),
            workspace_of=lambda _: self.yard.root,
            state_dir=self.yard.state,
            environ={},
            is_fence_there=lambda: True,
        )
        self.approver = PersonApprover(
            book=self.book,
            pending=self.pending,
            service=self.service,
            entry_of=self.entry_of,
            can_answer=lambda: self.is_anybody_there,
            tell_owner=self.tell,
            audit=audit,
            timeout_s=0.01,
        )

    async def entry_of(self, key: str) -> SessionEntry | None:
        assert key == "agent:main:main"
        return self.entry

    def hear(self, event: Event) -> None:
        if event.name == "exec.approval.requested":
            self.asked.append(event.payload.request)

    async def tell(self, words: Provenance, text: str) -> bool:
        del words
        if self.is_in_a_chat:
            self.told.append(text)
            waiting = text.split("/approve ")[1].split(maxsplit=1)[0]
            if self.answer:
                self.pending.resolve(waiting, self.answer, "webhook:alice")
        return self.is_in_a_chat

    async def decide(
        self, arguments: Any, tool: str = "exec", words: Provenance = OWNER, **more: str
    ) -> Ruling:
        raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return await self.approver.decide(
            ApprovalRequest(
                run_id="r",
                session_key="agent:main:main",
                agent_id="main",
                tool=tool,
                arguments=raw,
                risk=Risk.DANGEROUS,
                provenance=words,
                **more,
            )
        )

    def trail(self) -> str:
        return (self.folder / "audit" / "audit.jsonl").read_text()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncGenerator[Desk]:
    async with memory_database() as database:
        made = Desk(tmp_path, database)
        made.is_in_a_chat, made.answer = True, "allow-once"
        yield made


LS = {"argv": ["ls", "-l"]}


async def test_a_yes_is_to_exactly_what_was_shown(desk: Desk):
    ruling = await desk.decide(LS)
    (subject,) = desk.asked
    assert ruling == Ruling(Decision.ALLOW, bound_to=subject.digest or "")
    assert (subject.command, subject.argv, subject.cwd) == (
        "ls -l",
        ["ls", "-l"],
        str(desk.yard.root),
    )
    opened = await desk.service.look(ExecParams(argv=("ls", "-l")), AgentId("main"))
    opened.close()
    assert ruling.bound_to == opened.command.digest
    assert ruling.bound_to in desk.trail()
    assert "/approve" in desk.told[0]
    assert "ls -l" in desk.told[0]


async def test_once_is_asked_again_and_always_is_not(desk: Desk):
    for _ in range(2):
        await desk.decide(LS)
    assert len(desk.asked) == 2
    desk.answer = "allow-always"
    await desk.decide(LS)
    desk.answer = "deny"
    assert (await desk.decide(LS)).decision is Decision.ALLOW
    assert len(desk.asked) == 3
    refused = await desk.decide({"argv": ["ls"]})
    assert refused == Ruling(Decision.DENY, "webhook:alice refused it")


async def test_always_for_a_carrier_is_once(desk: Desk):
    desk.answer = "allow-always"
    shell = {"argv": ["sh", "-c", "ls"]}
    assert (await desk.decide(shell)).decision is Decision.ALLOW
    desk.answer = "deny"
    assert (await desk.decide(shell)).decision is Decision.DENY
    assert (await desk.book.snapshot()).file.agents == {}


async def test_always_is_to_what_the_tool_said_of_itself(desk: Desk):
    desk.answer = "allow-always"
    first = await desk.decide({}, tool="mcp_x_a", definition="1")
    assert await desk.decide({}, tool="mcp_x_a", definition="1") == first
    assert len(desk.asked) == 1
    desk.answer = "deny"
    other = await desk.decide({}, tool="mcp_x_a", definition="2", note="It says\nnow: \u202eno.")
    assert other.decision is Decision.DENY
    assert desk.asked[1].command == "mcp_x_a {}\n\nIt says\\nnow: \\u202eno."


async def test_another_tool_is_bound_to_its_arguments(desk: Desk):
    desk.answer = "allow-always"
    first = await desk.decide({"to": "bob", "text": "a"}, tool="message")
    desk.answer = "deny"
    same = await desk.decide('{"text": "a", "to": "bob"}', tool="message")
    other = await desk.decide({"to": "eve", "text": "a"}, tool="message")
    assert (first.decision, same, other.decision) == (Decision.ALLOW, first, Decision.DENY)
    assert desk.asked[0].command == 'message {"to": "bob", "text": "a"}'
    assert desk.asked[0].resolved_path is None


async def test_silence_is_a_no(desk: Desk):
    desk.answer = None
    assert await desk.decide(LS) == Ruling(Decision.DENY, "nobody allowed it in time")
    assert len(desk.pending) == 0


async def test_nobody_there_is_a_no_at_once(desk: Desk):
    desk.is_in_a_chat = desk.is_anybody_there = False
    ruling = await desk.decide(LS)
    assert ruling.decision is Decision.DENY
    assert "nobody is connected" in ruling.reason
    assert len(desk.pending) == 0


async def test_too_many_questions_are_a_no(desk: Desk):
    desk.is_in_a_chat = False
    desk.pending.open(subject_of(), 60.0)
    ruling = await desk.decide(LS)
    assert ruling.decision is Decision.DENY
    assert "wait already" in ruling.reason


def subject_of() -> ApprovalSubject:
    names = ("cwd", "host", "security", "ask", "agent_id", "resolved_path", "session_key")
    return ApprovalSubject(command="x", **dict.fromkeys(names))


async def test_a_program_over_http_always_needs_a_person_who_is_not_asked_in_a_chat(desk: Desk):
    desk.service.apply(ExecSettings(security="full", ask="off"))
    assert (await desk.decide(LS)).decision is Decision.ALLOW
    assert desk.asked == []
    ruling = await desk.decide(LS, words=HTTP)
    assert ruling == Ruling(Decision.DENY, "nobody allowed it in time")
    assert desk.told == []
    assert len(desk.asked) == 1


async def test_words_from_outside_ask_nobody(desk: Desk):
    assert (await desk.decide(LS, words=OUTSIDE)).decision is Decision.DENY
    assert desk.asked == []


async def test_own_processes_need_no_question(desk: Desk):
    assert (await desk.decide({"action": "list"}, tool="process")).decision is Decision.ALLOW
    assert desk.asked == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{", "do not fit"),
        ({"argv": "ls -l"}, "do not fit"),
        ({"argv": ["no-such-program"]}, "There is no program"),
        ({"argv": ["ls"], "workdir": "/etc"}, "inside the workspace"),
    ],
)
async def test_what_cannot_run_asks_nobody(desk: Desk, arguments: Any, words: str):
    ruling = await desk.decide(arguments)
    assert ruling.decision is Decision.DENY
    assert words in ruling.reason
    assert desk.asked == []


async def test_what_is_too_long_to_be_shown_is_a_no(desk: Desk):
    ruling = await desk.decide({"text": "x" * 70_000}, tool="message")
    assert ruling == Ruling(Decision.DENY, "it is too long to be shown to a person")


async def test_the_documents_own_rules_hold_for_one_agent(desk: Desk):
    seen = await desk.book.snapshot()
    text = '{"version":1,"agents":{"main":{"security":"deny"}}}'
    file = msgspec.json.decode(text, type=ApprovalsFile)
    await desk.book.replace(file, seen.hash, by="me")
    ruling = await desk.decide(LS)
    assert ruling.decision is Decision.DENY
    assert "tools.exec.security" in ruling.reason


async def test_a_rule_that_cannot_be_read_allows_nothing(desk: Desk, tmp_path: Path):
    async with memory_database() as closed:
        other = Desk(tmp_path / "other", closed)
    ruling = await other.decide(LS)
    assert ruling.decision is Decision.DENY
    assert ruling.reason
    assert desk.asked == other.asked == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"exec_security": "deny"}, "no command may run here"),
        ({"exec_ask": "always"}, "refused it"),
        ({"exec_host": "node"}, "run on a node"),
        ({"exec_security": "full", "exec_ask": "off", "exec_host": "gateway"}, ""),
    ],
)
async def test_a_session_can_only_take_away(desk: Desk, fields: dict[str, str], reason: str):
    desk.answer = "deny"
    desk.service.apply(ExecSettings(security="full"))
    desk.entry = SessionEntry(
        SessionKey("agent:main:main"), "id", AgentId("main"), 0, 0, **cast("Any", fields)
    )
    ruling = await desk.decide(LS)
    assert (ruling.decision is Decision.ALLOW) is (reason == "")
    assert reason in ruling.reason


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (AgentExec(security="deny"), "no command may run here"),
        (AgentExec(security="allowlist"), "refused it"),
        (AgentExec(ask="always"), "refused it"),
        (AgentExec(host="node"), "run on a node"),
        (AgentExec(security="full", ask="off", host="gateway"), ""),
        (AgentExec(host="sandbox"), ""),
    ],
)
@pytest.mark.parametrize("is_opener", [False, True])
async def test_an_agents_own_settings_can_only_take_away(
    desk: Desk, own: AgentExec, reason: str, *, is_opener: bool
):
    """Those of the agent that opened a session bind the one it gave the work to (J05)."""
    desk.answer = "deny"
    desk.service.apply(ExecSettings(security="full"))
    narrow = "boss" if is_opener else "main"
    desk.service.own_of = lambda agent_id: own if agent_id == narrow else AgentExec()
    if is_opener:
        desk.entry = SessionEntry(
            SessionKey("agent:main:main"),
            "id",
            AgentId("main"),
            0,
            0,
            spawned_by=SessionKey("agent:boss:main"),
        )
    ruling = await desk.decide(LS)
    assert (ruling.decision is Decision.ALLOW) is (reason == "")
    assert reason in ruling.reason


async def test_an_agents_own_settings_add_nothing_to_those_of_all(desk: Desk):
    desk.service.apply(ExecSettings(security="deny"))
    desk.service.own_of = lambda _: AgentExec(security="full", ask="off")
    assert "no command may run here" in (await desk.decide(LS)).reason
