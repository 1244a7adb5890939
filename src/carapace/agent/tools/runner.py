"""Runs one tool call: hooks, policy, arguments, then the handler under its deadline.

Whatever goes wrong becomes text for the model, so that the turn can go on; only a
cancellation of the turn passes through.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from carapace.agent.approval import ApprovalRequest, Approvals, Decision, ToolPolicy
from carapace.agent.prompt import PromptStyle
from carapace.agent.providers.ports import ToolCall, ToolSpec
from carapace.agent.tools.registry import ToolContext, ToolRow, Tools, ToolTrouble
from carapace.agent.types import RunSource
from carapace.errors import GatewayError, Refused
from carapace.hooks.bus import HookBus
from carapace.hooks.points import AFTER_TOOL_CALL, BEFORE_TOOL_CALL, AfterToolCall, BeforeToolCall
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics

__all__ = ["MAX_OUTPUT_CHARS", "ToolReport", "ToolRunner", "arguments_of"]

MAX_OUTPUT_CHARS: Final = 20_000
_CUT: Final = "\n[the rest was left out: too long]"
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ToolReport:
    """What a call came to: text for the model, and whether it is bad news."""

    text: str
    is_error: bool = False


class ToolRunner:
    """The tools, their policy and their limits.

    Args:
        tools: What there is.
        approvals: Decides about each use.
        audit: Hears of what was denied.
        metrics: Counts calls.
        hooks: May change arguments or stop a call before policy sees it, and hear of its end.
    """

    def __init__(
        self,
        tools: Tools,
        approvals: Approvals,
        *,
        audit: Audit,
        metrics: Metrics,
        hooks: HookBus | None = None,
    ) -> None:
        self._tools = tools
        self._approvals = approvals
        self._audit = audit
        self._metrics = metrics
        self._hooks = hooks
        self._listed: dict[tuple[RunSource, PromptStyle], tuple[ToolSpec, ...]] = {}

    def apply(self, policy: ToolPolicy) -> None:
        """Take a new policy; it counts from the next call on."""
        self._approvals.policy = policy
        self._listed.clear()

    def add(self, *rows: ToolRow) -> None:
        """Offer more tools from now on, all or none.

        Raises:
            Refused: If a name is taken.
        """
        for row in rows:
            if row.name in self._tools:
                raise Refused(f"There is a tool {row.name} already. Give the new one another name.")
        for row in rows:
            self._tools.add(row)
        self._listed.clear()

    def remove(self, *names: str) -> None:
        """Offer these no longer; calls that run go on to their end."""
        for name in names:
            self._tools.remove(name)
        self._listed.clear()

    def specs(self, source: RunSource, style: PromptStyle) -> tuple[ToolSpec, ...]:
        """What a model is shown: nothing the policy denies, little if its window is small."""
        listed = self._listed.get((source, style))
        if listed is None:
            listed = tuple(
                row.spec
                for row in self._tools.values()
                if self._approvals.is_listed(row.name, row.risk, source)
                and (row.is_core or style is PromptStyle.FULL)
            )
            self._listed[source, style] = listed
        return listed

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolReport:
        """Run `call`, or say why not."""
        row = self._tools.get(call.name)
        if row is None:
            return self._counted("unknown", "unknown", _no_such_tool(call.name, self._tools))
        began_s = ctx.clock.monotonic()
        call, blocked = await self._asked(call, ctx)
        if blocked is None:
            report = await self._permitted(row, call, ctx)
        else:
            self._denied(row, ctx, reason=blocked)
            text = f"The tool {row.name} was stopped: {blocked}"
            report = self._counted(row.name, "blocked", ToolReport(text, is_error=True))
        self._ended(call, ctx, report, began_s)
        return report

    async def _asked(self, call: ToolCall, ctx: ToolContext) -> tuple[ToolCall, str | None]:
        """The call as the hooks leave it, and why it must not run."""
        if self._hooks is None or BEFORE_TOOL_CALL not in self._hooks.heard:
            return call, None
        payload = BeforeToolCall(
            run_id=ctx.run_id,
            session_key=ctx.session_key,
            agent_id=ctx.agent_id,
            provenance=ctx.provenance,
            tool=call.name,
            arguments=call.arguments,
        )
        left = await self._hooks.change(BEFORE_TOOL_CALL, payload)
        return msgspec.structs.replace(call, arguments=left.arguments), left.blocked

    def _ended(self, call: ToolCall, ctx: ToolContext, report: ToolReport, began_s: float) -> None:
        if self._hooks is None or AFTER_TOOL_CALL not in self._hooks.heard:
            return
        payload = AfterToolCall(
            run_id=ctx.run_id,
            session_key=ctx.session_key,
            agent_id=ctx.agent_id,
            provenance=ctx.provenance,
            tool=call.name,
            arguments=call.arguments,
            text=report.text,
            is_error=report.is_error,
            duration_ms=round((ctx.clock.monotonic() - began_s) * 1000),
        )
        self._hooks.tell(AFTER_TOOL_CALL, payload)

    async def _permitted(self, row: ToolRow, call: ToolCall, ctx: ToolContext) -> ToolReport:
        decision = await self._approvals.permit(
            ApprovalRequest(
                run_id=ctx.run_id,
                session_key=ctx.session_key,
                agent_id=ctx.agent_id,
                tool=row.name,
                arguments=call.arguments,
                risk=row.risk,
                provenance=ctx.provenance,
            )
        )
        if decision is Decision.DENY:
            self._denied(row, ctx, reason="policy")
            text = f"The tool {row.name} was not permitted. Tell the user, and go on without it."
            return self._counted(row.name, "denied", ToolReport(text, is_error=True))
        return await self._run(row, call, ctx)

    def _denied(self, row: ToolRow, ctx: ToolContext, *, reason: str) -> None:
        self._audit.record(
            AuditKind.TOOL_DENIED,
            tool=row.name,
            risk=row.risk.value,
            source=ctx.source.value,
            origin=ctx.provenance.origin.value,
            authority=ctx.provenance.authority.name.lower(),
            channel=ctx.provenance.channel,
            sender_id=ctx.provenance.sender_id,
            run_id=ctx.run_id,
            session_key=ctx.session_key,
            reason=reason,
        )

    async def _run(self, row: ToolRow, call: ToolCall, ctx: ToolContext) -> ToolReport:
        try:
            params = msgspec.json.decode(call.arguments or "{}", type=row.params)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            text = f"The arguments do not fit {row.name}: {error}. Correct them and call again."
            return self._counted(row.name, "bad_arguments", ToolReport(text, is_error=True))
        try:
            async with asyncio.timeout(row.timeout_s):
                text = await row.handler(ctx, params)
        except TimeoutError:
            text = f"{row.name} took longer than {row.timeout_s:g} s and was stopped."
            return self._counted(row.name, "timeout", ToolReport(text, is_error=True))
        except ToolTrouble as trouble:
            return self._counted(row.name, "error", ToolReport(str(trouble), is_error=True))
        except GatewayError as error:
            return self._counted(row.name, "error", ToolReport(error.message, is_error=True))
        except Exception as error:  # noqa: BLE001 - a broken tool must not end the turn
            _log.error("tool failed", tool=row.name, run_id=ctx.run_id, exc_info=error)
            text = f"{row.name} failed inside the gateway; the reason is in its log."
            return self._counted(row.name, "error", ToolReport(text, is_error=True))
        return self._counted(row.name, "ok", ToolReport(_capped(text)))

    def _counted(self, tool: str, outcome: str, report: ToolReport) -> ToolReport:
        self._metrics.tool_calls.labels(tool, outcome).inc()
        return report


def arguments_of(call: ToolCall) -> Any:
    """The arguments as JSON for transcripts and events; the raw text if they are broken."""
    try:
        return msgspec.json.decode(call.arguments or "{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return call.arguments


def _no_such_tool(name: str, tools: Tools) -> ToolReport:
    text = f"There is no tool {name[:100]!r}. There are: {', '.join(tools)}."
    return ToolReport(text, is_error=True)


def _capped(text: str) -> str:
    if len(text) <= MAX_OUTPUT_CHARS:
        return text
    return text[: MAX_OUTPUT_CHARS - len(_CUT)] + _CUT
