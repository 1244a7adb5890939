"""What reading costs: reserved under the agent's daily caps, and written down as its usage."""

from __future__ import annotations

from carapace.agent.budget import Budget, Reservation
from carapace.agent.pricing import Price
from carapace.agent.records_usage import insert_usage
from carapace.agent.understanding.ports import Asker
from carapace.agent.usage import RunUsage
from carapace.clock import Clock
from carapace.ids import RunId, new_id
from carapace.store.ports import Database

__all__ = ["Charges"]


class Charges:
    """Pays for models that read, beside the turn.

    Args:
        budget: The caps.
        database: Keeps what was used.
        clock: For the day.
    """

    def __init__(self, budget: Budget, database: Database, clock: Clock) -> None:
        self._budget = budget
        self._database = database
        self._clock = clock

    async def reserve(
        self, asker: Asker, *, input_tokens: int, max_output_tokens: int, price: Price | None
    ) -> Reservation:
        """Room for one request; settle or release it.

        Raises:
            Refused: If a daily cap of the agent is used up.
        """
        return await self._budget.reserve(
            asker.agent_id,
            input_tokens=input_tokens,
            max_output_tokens=max_output_tokens,
            price=price,
        )

    async def record(self, used: RunUsage, asker: Asker, purpose: str) -> None:
        """Write down what was used; nothing, if nobody answered.

        Args:
            used: What it was.
            asker: Who pays.
            purpose: A word of ours for it, in the id of the lines.
        """
        # Not the id of the turn: its own lines are written once, and may be of the same model.
        lines = list(
            used.lines(
                run_id=RunId(f"{asker.run_id}/{purpose}-{new_id()}"),
                agent_id=asker.agent_id,
                session_key=asker.session_key,
                now=self._clock.now(),
            )
        )
        if lines:
            await self._database.write(lambda tx: insert_usage(tx, lines))
