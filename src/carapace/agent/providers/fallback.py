"""When one model fails, the next: each tried at most once, never after text was shown.

The order is the operator's, except that models that rest after a failure (`Cooling`) come
last; so the primary is back as soon as its rest is over. A wait that a server asked for is
kept if it is short, and told to the person if it is long.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec

from carapace.agent.pricing import Price
from carapace.agent.providers.cooling import Cooling
from carapace.agent.providers.ports import (
    ModelEvent,
    ModelRequest,
    Provider,
    ProviderError,
    ProviderFault,
    TextDelta,
    ToolCall,
)
from carapace.clock import Clock
from carapace.value import Value

__all__ = ["MAX_WAIT_S", "ModelTarget", "attempt_order", "stream_with_fallback"]

MAX_WAIT_S = 10.0
# Another model would not help: the conversation itself must become shorter.
_FINAL = frozenset({ProviderFault.CONTEXT})


class ModelTarget(Value, frozen=True):
    """A model that a turn may use, and what is known about it.

    Attributes:
        provider_name: As in `provider/model`.
        model_id: The vendor's name of the model.
        provider: Where to ask.
        context_tokens: What it can hold (the agent's cap counted in), None if unknown.
        max_tokens: Its longest answer, None if unknown.
        pricing: None if unknown.
        reasoning: Whether it can think first; None where nobody said.
        takes_images: Whether pictures may be sent.
        is_embedded: Whether it runs here, small and free of charge.
        api: Its wire format, as transcripts name it.
        cooling: Shared by all turns that use this model.
    """

    provider_name: str
    model_id: str
    provider: Provider
    context_tokens: int | None = None
    max_tokens: int | None = None
    pricing: Price | None = None
    reasoning: bool | None = None
    takes_images: bool = False
    is_embedded: bool = False
    api: str | None = None
    cooling: Cooling = msgspec.field(default_factory=Cooling)

    @property
    def ref(self) -> str:
        """`provider/model`."""
        return f"{self.provider_name}/{self.model_id}"


def attempt_order(targets: Sequence[ModelTarget], *, now_s: float) -> list[ModelTarget]:
    """The targets as they should be tried: those that rest last, soonest back first."""
    awake = [target for target in targets if not target.cooling.is_cooling(now_s)]
    resting = [target for target in targets if target.cooling.is_cooling(now_s)]
    return awake + sorted(resting, key=lambda target: target.cooling.until_s)


async def stream_with_fallback(
    targets: Sequence[ModelTarget],
    request: ModelRequest,
    clock: Clock,
    *,
    failed: set[str] | None = None,
) -> AsyncGenerator[tuple[ModelTarget, ModelEvent], None]:
    """One answer from the first target that gives one, each event with whose it is.

    Args:
        targets: Primary first; at least one. `request.model` is replaced by each one's.
        request: What the turn asks.
        clock: For rests and waits.
        failed: References that failed earlier in the same turn and are not tried again; what
            fails now is added. Share one set between the requests of a turn.

    Raises:
        ProviderError: The primary's, with the others' below it, if nobody answered; the
            answering model's, once some of its text or a tool call was passed on.
    """
    failed = set() if failed is None else failed
    errors: list[tuple[ModelTarget, ProviderError]] = []
    fresh = [target for target in targets if target.ref not in failed]
    for target in attempt_order(fresh, now_s=clock.monotonic()):
        has_begun = False
        try:
            await _keep_distance(target, clock)
            asked = msgspec.structs.replace(request, model=target.model_id)
            async with aclosing(target.provider.stream(asked)) as events:
                async for event in events:
                    has_begun = has_begun or isinstance(event, TextDelta | ToolCall)
                    yield target, event
        except ProviderError as error:
            target.cooling.failed(error, now_s=clock.monotonic())
            failed.add(target.ref)
            if has_begun or error.fault in _FINAL:
                raise
            errors.append((target, error))
        else:
            target.cooling.succeeded()
            return
    raise _nobody(errors)


async def _keep_distance(target: ModelTarget, clock: Clock) -> None:
    """Leave a server alone for as long as it asked, if that is short."""
    wait_s = target.cooling.asked_wait_s(clock.monotonic())
    if wait_s > MAX_WAIT_S:
        text = f"{target.ref} asked to be left alone for {round(wait_s)} more seconds."
        raise ProviderError(ProviderFault.RATE_LIMIT, text, retry_after_s=wait_s)
    if wait_s > 0:
        await clock.sleep(wait_s)


def _nobody(errors: list[tuple[ModelTarget, ProviderError]]) -> ProviderError:
    if not errors:
        text = "No model is left to ask: each one failed earlier in this turn."
        return ProviderError(ProviderFault.UNREACHABLE, text)
    _, first = errors[0]
    others = [f"{target.ref}: {error.message}" for target, error in errors[1:]]
    text = first.message
    if others:
        text += " (then tried " + "; ".join(others) + ")"
    return ProviderError(first.fault, text, status=first.status, retry_after_s=first.retry_after_s)
