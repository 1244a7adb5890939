"""A question to a model beside the turn: one answer, no tools, paid by the agent's budget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from carapace.agent.pricing import cost_nano_usd
from carapace.agent.providers.fallback import ModelTarget, stream_with_fallback
from carapace.agent.providers.ports import (
    ImagePart,
    ModelMessage,
    ModelRequest,
    TextDelta,
    TextPart,
    Usage,
)
from carapace.agent.understanding.charges import Charges
from carapace.agent.understanding.ports import Asker
from carapace.agent.usage import RunUsage
from carapace.clock import Clock
from carapace.value import Value

__all__ = ["SideQuestion", "SideQuestions"]


class SideQuestion(Value, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        purpose: A word of ours, for the usage lines.
        system: What to do with it.
        parts: What it is done with.
        input_tokens: Estimate of all that.
        max_tokens: Longest answer.
    """

    purpose: str
    system: str
    parts: tuple[TextPart | ImagePart, ...]
    input_tokens: int
    max_tokens: int


class SideQuestions:
    """Asks them.

    Args:
        charges: Pays.
        clock: For rests and waits of models.
    """

    def __init__(self, charges: Charges, clock: Clock) -> None:
        self._charges = charges
        self._clock = clock

    async def ask(
        self,
        targets: Sequence[ModelTarget],
        question: SideQuestion,
        asker: Asker,
        *,
        timeout_s: float,
    ) -> str:
        """The answer of the first of `targets` that gives one, each asked once; maybe empty.

        Raises:
            Refused: If a daily cap of the agent is used up; nothing was sent then.
            ProviderError: If none of them answers.
            TimeoutError: If it takes longer than `timeout_s`.
        """
        async with asyncio.timeout(timeout_s):
            return await self._ask(targets, question, asker)

    async def _ask(
        self, targets: Sequence[ModelTarget], question: SideQuestion, asker: Asker
    ) -> str:
        request = ModelRequest(
            model="",
            system=question.system,
            messages=(ModelMessage("user", question.parts),),
            max_tokens=question.max_tokens,
        )
        reserved = await self._charges.reserve(
            asker,
            input_tokens=question.input_tokens,
            max_output_tokens=question.max_tokens,
            price=targets[0].pricing,
        )
        used, pieces = RunUsage(), list[str]()
        try:
            async with aclosing(stream_with_fallback(targets, request, self._clock)) as events:
                async for target, event in events:
                    if isinstance(event, TextDelta):
                        pieces.append(event.text)
                    elif isinstance(event, Usage):
                        reserved.settle(event, cost_nano_usd(event, target.pricing))
                        used.add(target, event)
        finally:
            reserved.release()
            await self._charges.record(used, asker, question.purpose)
        return "".join(pieces).strip()
