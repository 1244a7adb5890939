"""`wizard.*`: the first steps as questions, one set at a time."""

from __future__ import annotations

from carapace.agent.onboarding.service import Progress
from carapace.agent.onboarding.types import Question
from carapace.errors import Refused
from carapace.methods.context import Context
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.wizard import (
    WizardNext,
    WizardOption,
    WizardResult,
    WizardSession,
    WizardStart,
    WizardStarted,
    WizardStatus,
    WizardStep,
)

__all__ = ["METHODS", "as_result"]

METHODS = Methods()


@METHODS.method("wizard.start", scope=Scope.ADMIN)
async def wizard_start(ctx: Context, params: WizardStart) -> WizardStarted:
    """Begin the questions; nothing is written before the last is answered with yes."""
    if params.mode == "remote":
        raise Refused(
            "This gateway sets itself up. To use another one from that machine instead, run "
            "there: cara config set gateway.remote.url wss://HOST"
        )
    found = await ctx.services.onboarding.start(params.workspace)
    result = as_result(found)
    return WizardStarted(
        session_id=found.session_id, done=result.done, step=result.step, status=result.status
    )


@METHODS.method("wizard.next", scope=Scope.ADMIN)
async def wizard_next(ctx: Context, params: WizardNext) -> WizardResult:
    """Answer the open question and get the next; without an answer the open one again."""
    onboarding, answer = ctx.services.onboarding, params.answer
    if answer is None:
        return as_result(onboarding.look(params.session_id))
    return as_result(await onboarding.answer(params.session_id, answer.step_id, answer.value))


@METHODS.method("wizard.cancel", scope=Scope.ADMIN)
def wizard_cancel(ctx: Context, params: WizardSession) -> WizardStatus:
    """Forget what was answered."""
    found = ctx.services.onboarding.cancel(params.session_id)
    return WizardStatus(status=found.status, error=found.error)


@METHODS.method("wizard.status", scope=Scope.ADMIN)
def wizard_status(ctx: Context, params: WizardSession) -> WizardStatus:
    """Whether the questions are still open."""
    found = ctx.services.onboarding.look(params.session_id)
    return WizardStatus(status=found.status, error=found.error)


def as_result(found: Progress) -> WizardResult:
    """How far the questions are, as clients are told."""
    question = found.question
    return WizardResult(
        done=question is None,
        step=None if question is None else _step(found.step_id, question),
        status=found.status,
        error=found.error,
    )


def _step(step_id: str, question: Question) -> WizardStep:
    options = [
        WizardOption(value=one.value, label=one.label, hint=one.hint) for one in question.choices
    ]
    return WizardStep(
        id=step_id,
        type=question.kind.value,
        title=question.title,
        message=question.message,
        options=options or None,
        initial_value=question.initial,
        placeholder=question.placeholder,
        sensitive=question.is_secret,
        executor="client",
    )
