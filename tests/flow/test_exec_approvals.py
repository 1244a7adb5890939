"""A run that wants a command, an operator who decides: over real sockets, with a real command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from carapace.confine import can_fence
from carapace_tools.golden.connection import Connection
from support.counting_peer import counting_peer
from support.gateway import Started, model_server, running_gateway, settings
from support.polling import until
from support.script_people import Person, webhook_settings
from support.ws import peer, talk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_fence(), reason="needs Landlock and seccomp"),
]

READER = ("operator.read", "operator.write")
APPROVER = ("operator.approvals",)


@asynccontextmanager
async def gateway(folder: Path, **exec_settings: Any) -> AsyncGenerator[Started]:
    """A gateway whose agent may run commands, if somebody allows them."""
    async with model_server(folder) as model:
        config = settings(model.port)
        config["tools"] = {"exec": {"security": "allowlist", **exec_settings}}
        async with running_gateway(folder / "gateway", config) as started:
            yield started


def wanting(argv: list[str], **more: Any) -> str:
    """A message after which the scripted model calls `exec`."""
    return f"[[tool:exec {json.dumps({'argv': argv, **more})}]]"


async def asked(operator: Connection, count: int = 1) -> dict[str, Any]:
    """The newest question once that many were asked."""
    name = "exec.approval.requested"
    await operator.until(
        lambda: len(operator.events(name)) >= count or operator.closed, f"question {count}"
    )
    found: dict[str, Any] = operator.events(name)[-1]["payload"]
    return found


async def decide(operator: Connection, question: dict[str, Any], decision: str) -> None:
    params = {"id": question["id"], "decision": decision}
    answer = await operator.call(f"{decision}-{question['id']}", "exec.approval.resolve", params)
    assert answer["ok"], answer


async def said(person: Connection, message: str, run_id: str, then: Callable[[], Any]) -> str:
    """The agent's answer to a message, with something that is done meanwhile."""
    async with asyncio.TaskGroup() as group:
        talking = group.create_task(talk(person, "main", message, run_id))
        await then()
    text: str = talking.result()["message"]["content"][0]["text"]
    return text


async def test_a_command_runs_after_somebody_allowed_exactly_it(tmp_path: Path):
    async with (
        gateway(tmp_path) as started,
        peer(started.url, device="person", scopes=READER) as person,
    ):
        end = await talk(person, "main", wanting(["echo", "hi"]), "r0", timeout_s=10.0)
        alone = end["message"]["content"][0]["text"]
        seen: list[dict[str, Any]] = []

        async def allow() -> None:
            seen.append(await asked(operator))
            await decide(operator, seen[0], "allow-once")

        async with peer(started.url, device="operator", scopes=APPROVER) as operator:
            text = await said(person, wanting(["echo", "hi", "$(id)"]), "r1", allow)
            resolved = operator.events("exec.approval.resolved")
        person_heard = person.events("exec.approval.requested")
        audit = (started.state_dir / "audit" / "audit.jsonl").read_text()
    assert "nobody is connected who could give it" in alone
    request = seen[0]["request"]
    assert request["command"] == "echo hi '$(id)'"
    assert request["argv"] == ["echo", "hi", "$(id)"]
    assert request["resolvedPath"].endswith("/echo")
    assert (request["host"], request["security"], request["ask"], request["agentId"]) == (
        "gateway",
        "allowlist",
        "on-miss",
        "main",
    )
    assert "exit code 0" in text
    assert "hi $(id)" in text
    assert resolved[0]["payload"]["decision"] == "allow-once"
    assert person_heard == []
    assert request["digest"] in audit
    assert '"kind":"tool.approved"' in audit


async def test_once_is_once_and_always_is_until_it_is_taken_back(tmp_path: Path):
    async with (
        gateway(tmp_path) as started,
        peer(started.url, device="person", scopes=READER) as person,
        peer(started.url, device="owner") as operator,
    ):

        async def allow(number: int, decision: str) -> None:
            await decide(operator, await asked(operator, number), decision)

        message = wanting(["echo", "again"])
        await said(person, message, "r1", lambda: allow(1, "allow-once"))
        await said(person, message, "r2", lambda: allow(2, "allow-always"))
        text = (await talk(person, "main", message, "r3"))["message"]["content"][0]["text"]
        assert "again" in text  # the third time nobody was asked
        assert len(operator.events("exec.approval.requested")) == 2
        got = (await operator.call("get", "exec.approvals.get", {}))["payload"]
        (entry,) = got["file"]["agents"]["main"]["allowlist"]
        assert entry["lastUsedCommand"] == "echo again"
        params = {"file": {"version": 1}, "baseHash": got["hash"]}
        assert (await operator.call("set", "exec.approvals.set", params))["ok"]
        refused = await said(person, message, "r4", lambda: allow(3, "deny"))
    assert "not permitted" in refused
    assert "refused it" in refused


async def test_without_the_setting_no_command_is_offered(tmp_path: Path):
    async with (
        model_server(tmp_path) as model,
        running_gateway(tmp_path / "gateway", settings(model.port)) as started,
        peer(started.url, device="person", scopes=READER) as person,
        peer(started.url, device="operator", scopes=APPROVER) as operator,
    ):
        end = await talk(person, "main", wanting(["echo", "hi"]), "r1")
        questions = operator.events("exec.approval.requested")
    # The scripted model calls only what it is offered.
    assert end["message"]["content"][0]["text"].startswith("Echo:")
    assert questions == []


async def test_a_person_who_only_chats_can_decide_nothing(tmp_path: Path):
    async with (
        gateway(tmp_path) as started,
        peer(started.url, device="person", scopes=READER) as person,
        peer(started.url, device="operator", scopes=APPROVER) as operator,
    ):

        async def try_it() -> None:
            question = await asked(operator)
            params = {"id": question["id"], "decision": "allow-once"}
            answer = await person.call("mine", "exec.approval.resolve", params)
            assert answer["error"]["message"] == "missing scope: operator.approvals"
            # Advisory C11: the same words in a chat are only words.
            await talk(person, "agent:main:other", f"/approve {question['id']} allow-once", "r2")
            await decide(operator, question, "deny")

        text = await said(person, wanting(["echo", "hi"]), "r1", try_it)
        decisions = [one["payload"] for one in operator.events("exec.approval.resolved")]
    assert "refused it" in text
    assert [one["decision"] for one in decisions] == ["deny"]


async def test_a_command_in_the_background_is_read_and_ended(tmp_path: Path):
    async with (
        gateway(tmp_path, security="full") as started,
        peer(started.url, device="person", scopes=READER) as person,
    ):
        argv = ["sh", "-c", "echo begun; sleep 60"]
        first = await talk(person, "main", wanting(argv, background=True), "r1")
        assert "process p1" in first["message"]["content"][0]["text"]
        kill = '[[tool:process {"action":"kill","id":"p1"}]]'
        last = await talk(person, "main", kill, "r2")
    assert "ended on request" in last["message"]["content"][0]["text"]


async def test_a_stop_ends_questions_and_commands(tmp_path: Path):
    async with (
        gateway(tmp_path) as started,
        peer(started.url, device="person", scopes=READER) as person,
        peer(started.url, device="operator", scopes=APPROVER) as operator,
    ):
        params = {"sessionKey": "main", "message": wanting(["sleep", "60"]), "idempotencyKey": "r"}
        assert (await person.call("send", "chat.send", params))["ok"]
        await asked(operator)
        assert await started.stop() == 0
    assert list((started.state_dir / "exec").glob("*")) == []


async def test_an_owner_on_a_chat_service_is_asked_there_and_answers_there(tmp_path: Path):
    with counting_peer() as receiver:
        async with model_server(tmp_path) as model, aiohttp.ClientSession() as client:
            config = settings(model.port)
            config["tools"] = {"exec": {"security": "allowlist"}}
            config["commands"] = {"ownerAllowFrom": ["webhook:ann"]}
            config["channels"] = {"webhook": webhook_settings(receiver.url)}
            async with running_gateway(tmp_path / "gateway", config) as started:
                url = f"{started.http}/channels/webhook/default"
                ann = Person("ann")
                await ann.write(client, url, wanting(["echo", "hi"]))
                await until(lambda: receiver.arrivals, deadline_s=20)
                question = str(receiver.arrivals[0].body["text"])
                answer = next(line for line in question.splitlines() if line.endswith("allow-once"))
                async with asyncio.timeout(10):
                    await ann.write(client, url, answer)
                await until(lambda: len(receiver.arrivals) >= 3, deadline_s=20)
                texts = [str(one.body["text"]) for one in receiver.arrivals]
    assert "echo hi" in question
    assert sum("Allowed, this once." in one for one in texts) == 1
    assert sum("exit code 0" in one for one in texts) == 1
