"""Programs that nodes were asked to run: only their news is believed (advisory B14).

Pure; times are arguments. A node may tell that a run began and how it ended, once each, and only of
runs that this gateway gave it; the session that hears of it is the one that asked.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = ["Dispatched", "ExecNews"]

ExecNews = Literal["exec.started", "exec.finished", "exec.denied"]
_KEEP_S: Final = 3_600.0
_MAX_RUNS: Final = 1_000


@dataclass(slots=True)
class _Run:
    session_key: str
    until_s: float
    told: set[ExecNews] = field(default_factory=set[ExecNews])


class Dispatched:
    """Runs of the last hour."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[str, str], _Run] = OrderedDict()

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, node_id: str, run_id: str, session_key: str, now_s: float) -> None:
        """The node is asked to run something for that session."""
        key = (node_id, run_id)
        self._runs.pop(key, None)
        self._runs[key] = _Run(session_key, now_s + _KEEP_S)
        while len(self._runs) > _MAX_RUNS:
            self._runs.popitem(last=False)

    def take(self, node_id: str, run_id: str, news: ExecNews, now_s: float) -> str | None:
        """The session that hears of it; None if the news is not the node's to tell."""
        run = self._runs.get((node_id, run_id))
        if run is None or now_s >= run.until_s or news in run.told:
            return None
        run.told.add(news)
        if news != "exec.started":
            del self._runs[node_id, run_id]
        return run.session_key
