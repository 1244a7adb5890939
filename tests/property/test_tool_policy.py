"""A tool that a run is shown is one it may use, and the other way round (rows J14 and Q07)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapace.agent.approval import ApprovalRequest, Approvals, Decision, Risk, Ruling
from carapace.agent.prompt import PromptStyle
from carapace.agent.providers.ports import ToolCall
from carapace.agent.tools.policy import SUBAGENT_DENY, Layer, ToolLayers, scope_of
from carapace.agent.tools.registry import ANYBODY, OWNERS, ToolContext, Tools
from carapace.agent.tools.runner import ToolRunner
from carapace.agent.types import RunSource, source_of
from carapace.clock import SystemClock
from carapace.ids import AgentId, RunId, SessionKey
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor

SOURCES = (ANYBODY, OWNERS, ANYBODY - {RunSource.OUTSIDE}, frozenset({RunSource.HTTP}))
KEYS = ("agent:main:main", "agent:main:zalo:group:g1", "agent:main:subagent:x")


class Yes:
    """A person who allows whatever they are asked."""

    async def decide(self, request: ApprovalRequest) -> Ruling:
        del request
        return Ruling(Decision.ALLOW)


class Nothing(msgspec.Struct, frozen=True):
    """No arguments."""


def _tools() -> Tools:
    """One of every kind there can be."""
    tools = Tools()
    for risk in Risk:
        for number, sources in enumerate(SOURCES):
            for needs_admin in (False, True):
                name = f"{risk.value}_{number}_{'admin' if needs_admin else 'any'}"
                mark = tools.tool(name, risk=risk, sources=sources, needs_admin=needs_admin)
                mark(_fine)
    return tools


async def _fine(ctx: ToolContext, params: Nothing) -> str:
    """Does nothing."""
    del ctx, params
    return "fine"


TOOLS = _tools()
names = st.lists(st.sampled_from([*TOOLS, "read_*", "*_admin", "group:sessions"]), max_size=3)
layers = st.builds(
    lambda allow, deny, own, group, model: ToolLayers(
        everywhere=Layer("tools", allow=allow, deny=deny),
        agents={"main": Layer("agent", allow=own)},
        groups={("zalo", "", "*"): Layer("group", deny=group)},
        providers={("", "acme"): (Layer("model", deny=model),)},
        subagents=Layer("sub", deny=(*SUBAGENT_DENY, "write_*")),
    ),
    names,
    names,
    names,
    names,
    names,
)
provenances = st.builds(
    Provenance,
    origin=st.sampled_from(Origin),
    authority=st.sampled_from(Authority),
    channel=st.sampled_from([None, "zalo"]),
    lacks_admin=st.booleans(),
)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> ToolRunner:
    folder: Path = tmp_path_factory.mktemp("audit")
    return ToolRunner(
        TOOLS,
        Approvals(Yes()),
        audit=Audit(folder, clock=SystemClock(), redactor=Redactor()),
        metrics=Metrics("0", with_process=False),
    )


@pytest.mark.slow
@settings(max_examples=40)
@given(
    lists=layers,
    provenance=provenances,
    key=st.sampled_from(KEYS),
    models=st.sampled_from([(), ("acme/m",), ("other/m", "acme/n")]),
)
def test_what_is_listed_runs_and_what_is_not_is_denied(
    runner: ToolRunner,
    lists: ToolLayers,
    provenance: Provenance,
    key: str,
    models: tuple[str, ...],
):
    runner.restrict(lists)
    scope = scope_of(key, provenance, models=models)
    listed = {
        one.name
        for one in runner.specs(
            source_of(provenance), PromptStyle.FULL, scope, lacks_admin=provenance.lacks_admin
        )
    }
    context = ToolContext(
        run_id=RunId("r"),
        session_key=SessionKey(key),
        agent_id=AgentId("main"),
        provenance=provenance,
        timezone=None,
        clock=SystemClock(),
        sessions=cast("Any", None),
        memory=cast("Any", None),
        scope=scope,
    )
    assert {name for name in TOOLS if runner.find(name, context) is not None} == listed
    assert asyncio.run(_used(runner, context)) == listed
    if provenance.authority is Authority.NONE:
        assert listed == set()


async def _used(runner: ToolRunner, context: ToolContext) -> set[str]:
    """The tools that do not answer that they were denied."""
    used: set[str] = set()
    for name in TOOLS:
        report = await runner.run(ToolCall("c", name, "{}"), context)
        assert report.outcome in ("ok", "denied")
        if report.outcome == "ok":
            used.add(name)
    return used


@given(
    lists=layers,
    key=st.sampled_from(KEYS),
    models=st.lists(st.sampled_from(["acme/m", "acme/n", "other/m"]), max_size=3),
)
def test_another_model_to_fall_back_to_only_takes_away(
    lists: ToolLayers, key: str, models: list[str]
):
    def left(asked: list[str]) -> set[str]:
        scope = scope_of(key, OWNER, models=tuple(asked))
        return {name for name in TOOLS if lists.permits(name, scope)}

    more = left(models)
    assert all(more <= left(models[:count]) for count in range(len(models)))
    assert more == set.intersection(left([]), *(left([model]) for model in models))
