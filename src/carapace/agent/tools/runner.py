"""Runs one tool call: hooks, policy, arguments, then the handler under its deadline.

Whatever goes wrong becomes text for the model, so that the turn can go on; only a
cancellation of the turn passes through.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from carapace.agent.approval import (
    ApprovalRequest,
    Approvals,
    Decision,
    Risk,
    Ruling,
    ToolPolicy,
    Verdict,
)
from carapace.agent.prompt import PromptStyle
from carapace.agent.providers.ports import ToolCall, ToolSpec
from carapace.agent.tools.policy import NO_LAYERS, ToolLayers, ToolScope, scope_of
from carapace.agent.tools.registry import ToolAnswer, ToolContext, ToolRow, Tools, ToolTrouble
from carapace.agent.types import RunSource
from carapace.errors import GatewayError, Refused
from carapace.hooks.bus import HookBus
from carapace.hooks.points import AFTER_TOOL_CALL, BEFORE_TOOL_CALL, AfterToolCall, BeforeToolCall
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["MAX_OUTPUT_CHARS", "ToolOutcome", "ToolReport", "ToolRunner", "arguments_of"]

MAX_OUTPUT_CHARS: Final = 20_000
_MAX_LISTS: Final = 256  # of tools that are kept; more than sources, styles and channels make
ToolOutcome = Literal["ok", "unknown", "blocked", "denied", "bad_arguments", "timeout", "error"]
_CUT: Final = "\n[the rest was left out: too long]"
_MISSING: Final = re.compile(r"missing required field `([^`]{1,64})`")
_log = get_logger(__name__)


class ToolReport(Value, frozen=True):
    """What a call came to.

    Attributes:
        text: For the model.
        outcome: As the metric names it.
        details: The same as facts for programs, where the tool has some.
    """

    text: str
    outcome: ToolOutcome = "ok"
    details: Any = None

    @property
    def is_error(self) -> bool:
        """Whether it is bad news."""
        return self.outcome != "ok"


class ToolRunner:
    """The tools, their policy and their limits.

    Args:
        tools: What there is.
        approvals: Decides about each use.
        audit: Hears of what was denied.
        metrics: Counts calls.
        hooks: May change arguments or stop a call before policy sees it, and hear of its end.
        layers: Which tools exist for whom.
    """

    def __init__(
        self,
        tools: Tools,
        approvals: Approvals,
        *,
        audit: Audit,
        metrics: Metrics,
        hooks: HookBus | None = None,
        layers: ToolLayers = NO_LAYERS,
    ) -> None:
        self._tools = tools
        self._layers = layers
        self._approvals = approvals
        self._audit = audit
        self._metrics = metrics
        self._hooks = hooks
        self._listed: dict[
            tuple[RunSource, PromptStyle, ToolScope | None, bool], tuple[ToolSpec, ...]
        ] = {}

    def apply(self, policy: ToolPolicy) -> None:
        """Take a new policy; it counts from the next call on."""
        self._approvals.policy = policy
        self._listed.clear()

    def restrict(self, layers: ToolLayers) -> None:
        """Take new lists of tools; they count from the next call on."""
        self._layers = layers
        self._listed.clear()

    def unknown(self) -> tuple[tuple[str, str], ...]:
        """Keys of the configuration, each with a name in its list that stands for no tool."""
        return tuple(self._layers.unknown(self._tools))

    def find(self, name: str, ctx: ToolContext) -> ToolRow | None:
        """The tool, if there is one that may be used there, with or without asking."""
        row = self._tools.get(name)
        return row if row is not None and self._verdict(row, ctx) is not Verdict.DENY else None

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

    def specs(
        self,
        source: RunSource,
        style: PromptStyle,
        scope: ToolScope | None = None,
        *,
        lacks_admin: bool = False,
    ) -> tuple[ToolSpec, ...]:
        """What a model is shown: nothing the policy denies, little if its window is small.

        Args:
            source: Whose words it answers.
            style: How much it can hold.
            scope: Where it runs; None is nowhere in particular.
            lacks_admin: As the provenance of the words says.
        """
        key = (source, style, scope, lacks_admin)
        listed = self._listed.get(key)
        if listed is None:
            listed = tuple(
                row.spec
                for row in self._tools.values()
                if (row.is_core or style is PromptStyle.FULL)
                and self._says(row, source, scope, lacks_admin=lacks_admin) is not Verdict.DENY
            )
            if len(self._listed) >= _MAX_LISTS:
                self._listed.clear()
            self._listed[key] = listed
        return listed

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolReport:
        """Run `call`, or say why not."""
        row = self._tools.get(call.name)
        if row is None:
            report = _no_such_tool(call.name, self._tools)
            return self._counted("unknown", report)
        began_s = ctx.clock.monotonic()
        call, blocked = await self._asked(call, ctx)
        if blocked is None:
            report = await self._permitted(row, call, ctx)
        else:
            self._denied(row, ctx, reason=blocked)
            text = f"The tool {row.name} was stopped: {blocked}"
            report = self._counted(row.name, ToolReport(text, "blocked"))
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
        ruling = await self._ruling(row, call, ctx)
        if ruling.decision is Decision.DENY:
            self._denied(row, ctx, reason=ruling.reason or "policy")
            why = f": {ruling.reason}" if ruling.reason else ""
            text = f"The tool {row.name} was not permitted{why}. "
            text += "Tell the user, and go on without it."
            return self._counted(row.name, ToolReport(text, "denied"))
        return await self._run(row, call, replace(ctx, approved=ruling.bound_to))

    async def _ruling(self, row: ToolRow, call: ToolCall, ctx: ToolContext) -> Ruling:
        """Whether it runs; where a model chose it, somebody may be asked."""
        verdict = self._verdict(row, ctx)
        if verdict is Verdict.DENY:
            return Ruling(Decision.DENY)
        if ctx.is_direct:
            return Ruling(Decision.ALLOW)
        return await self._approvals.permit(
            ApprovalRequest(
                run_id=ctx.run_id,
                session_key=ctx.session_key,
                agent_id=ctx.agent_id,
                tool=row.name,
                arguments=call.arguments,
                risk=row.risk,
                provenance=ctx.provenance,
                definition=row.definition,
                note=row.note,
            )
        )

    def _verdict(self, row: ToolRow, ctx: ToolContext) -> Verdict:
        """Whether this use passes, before anybody is asked."""
        # What acts on the machine is decided by a person who sees it, never by a request alone.
        if ctx.is_direct and row.risk is Risk.DANGEROUS:
            return Verdict.DENY
        scope = ctx.scope or scope_of(ctx.session_key, ctx.provenance)
        # A program names the action itself: `ToolInvoker` asks for what that one needs.
        lacks_admin = ctx.provenance.lacks_admin and not ctx.is_direct
        return self._says(row, ctx.source, scope, lacks_admin=lacks_admin)

    def _says(
        self, row: ToolRow, source: RunSource, scope: ToolScope | None, *, lacks_admin: bool
    ) -> Verdict:
        """What the tool itself, lists and rules say: for what is shown and for what runs alike."""
        if source not in row.sources or (row.needs_admin and lacks_admin):
            return Verdict.DENY
        if scope is not None and not self._layers.permits(row.name, scope):
            return Verdict.DENY
        return self._approvals.policy.verdict(row.name, row.risk, source)

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
        report = await self._tried(row, call, ctx)
        if not ctx.is_direct:
            report = replace(report, text=_capped(report.text))
        return self._counted(row.name, report)

    async def _tried(self, row: ToolRow, call: ToolCall, ctx: ToolContext) -> ToolReport:
        try:
            params = msgspec.json.decode(call.arguments or "{}", type=row.params)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return ToolReport(_not_fitting(row, error, is_direct=ctx.is_direct), "bad_arguments")
        try:
            async with asyncio.timeout(row.timeout_s):
                answer = await row.handler(ctx, params)
        except TimeoutError:
            text = f"{row.name} took longer than {row.timeout_s:g} s and was stopped."
            return ToolReport(text, "timeout")
        except Exception as error:  # noqa: BLE001 - a broken tool must not end the turn
            return ToolReport(_trouble(row, ctx, error), "error")
        if isinstance(answer, ToolAnswer):
            return ToolReport(answer.text, details=answer.details)
        return ToolReport(answer)

    def _counted(self, tool: str, report: ToolReport) -> ToolReport:
        self._metrics.tool_calls.labels(tool, report.outcome).inc()
        return report


def arguments_of(call: ToolCall) -> Any:
    """The arguments as JSON for transcripts and events; the raw text if they are broken."""
    try:
        return msgspec.json.decode(call.arguments or "{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return call.arguments


def _no_such_tool(name: str, tools: Tools) -> ToolReport:
    text = f"There is no tool {name[:100]!r}. There are: {', '.join(tools)}."
    return ToolReport(text, "unknown")


def _not_fitting(row: ToolRow, error: Exception, *, is_direct: bool) -> str:
    """Why arguments are none; programs get the Node gateway's words for one that is missing."""
    missing = _MISSING.search(str(error))
    if is_direct and missing is not None:
        return f"{missing[1]} required"
    return f"The arguments do not fit {row.name}: {error}. Correct them and call again."


def _trouble(row: ToolRow, ctx: ToolContext, error: Exception) -> str:
    """What went wrong; of a defect of ours only that it is in the log."""
    if isinstance(error, ToolTrouble):
        return str(error)
    if isinstance(error, GatewayError):
        return error.message
    _log.error("tool failed", tool=row.name, run_id=ctx.run_id, exc_info=error)
    return f"{row.name} failed inside the gateway; the reason is in its log."


def _capped(text: str) -> str:
    if len(text) <= MAX_OUTPUT_CHARS:
        return text
    return text[: MAX_OUTPUT_CHARS - len(_CUT)] + _CUT
