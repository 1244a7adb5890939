"""What the questions need of the rooms around them."""

from __future__ import annotations

from typing import Protocol

from carapace.agent.onboarding.types import Facts, SetupPlan

__all__ = ["SetupTarget"]


class SetupTarget(Protocol):
    """The gateway that is set up: running, or only its files."""

    async def facts(self) -> Facts:
        """What is there before the first question."""
        ...

    async def write(self, plan: SetupPlan) -> None:
        """Write it, all or nothing.

        Raises:
            Refused: If the configuration cannot be changed so.
            Failed: If it could not be written.
        """
        ...
