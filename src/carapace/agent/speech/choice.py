"""What people chose through `tts.*`: one row, read once and kept."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from carapace.clock import Clock
from carapace.store.ports import Database, Tx
from carapace.value import Value

__all__ = ["Choice", "Choices"]


class Choice(Value, frozen=True):
    """What was chosen; None leaves it to the settings.

    Attributes:
        auto: `off` or `always`.
        provider: The id of an engine.
    """

    auto: str | None = None
    provider: str | None = None


class Choices:
    """Reads and writes the choice.

    Args:
        database: Where it is.
        clock: Dates it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: Choice | None = None

    async def get(self) -> Choice:
        """The choice.

        Raises:
            Failed: If it cannot be read.
        """
        if self._known is None:
            self._known = await self._database.read(_read)
        return self._known

    async def set_auto(self, auto: str) -> None:
        """Choose whether answers are spoken.

        Raises:
            Failed: If it could not be written.
        """
        await self._set(replace(await self.get(), auto=auto))

    async def set_provider(self, provider: str) -> None:
        """Choose who speaks.

        Raises:
            Failed: If it could not be written.
        """
        await self._set(replace(await self.get(), provider=provider))

    async def _set(self, choice: Choice) -> None:
        await self._database.write(partial(_write, choice=choice, now_ms=self._clock.now_ms()))
        self._known = choice


def _read(tx: Tx) -> Choice:
    row = tx.one("SELECT auto, provider FROM speech_choice WHERE id = 1")
    return Choice() if row is None else Choice(row["auto"], row["provider"])


def _write(tx: Tx, *, choice: Choice, now_ms: int) -> None:
    tx.execute(
        "INSERT INTO speech_choice (id, auto, provider, updated_at_ms) VALUES (1, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET auto = excluded.auto, provider = excluded.provider, "
        "updated_at_ms = excluded.updated_at_ms",
        (choice.auto, choice.provider, now_ms),
    )
