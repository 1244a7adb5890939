"""What a long run leaves behind: samples of the gateway's process, and the verdict on them."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Growth", "Sample", "chart", "growth", "left_behind", "sample"]

LEAST_FOR_SLOPE_S: Final = 45 * 60.0
MAX_MB_PER_HOUR: Final = 1.0
# In a few minutes what is kept for later is still filling: decoded conversations, ended runs.
LEAST_NOISE_MB: Final = 18.0
MAX_LEFT: Final = 8
_BINS: Final = 24
_TASKS = re.compile(r"^carapace_event_loop_tasks (\S+)$", re.MULTILINE)
_OUTBOX = re.compile(r"^carapace_outbox_waiting (\S+)$", re.MULTILINE)
_METRICS_DEADLINE_S: Final = 10.0


@dataclass(frozen=True)
class Sample:
    """The process at one moment."""

    at_s: float
    rss_mb: float
    fds: int
    threads: int
    tasks: int
    outbox: int
    database_mb: float


async def sample(pid: int, metrics_port: int, database: Path) -> Sample:
    """Look at the gateway."""
    text = await _metrics(metrics_port)
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text().split()[1])
    files = (database, database.with_name(f"{database.name}-wal"))
    return Sample(
        at_s=time.monotonic(),
        rss_mb=pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        fds=len(os.listdir(process / "fd")),  # noqa: PTH208 - counted
        threads=len(os.listdir(process / "task")),  # noqa: PTH208 - counted
        tasks=_number(_TASKS, text),
        outbox=_number(_OUTBOX, text),
        database_mb=sum(os.path.getsize(one) for one in files if os.path.exists(one)) / 1e6,  # noqa: PTH110, PTH202, ASYNC240 - two calls
    )


async def _metrics(port: int) -> str:
    async with asyncio.timeout(_METRICS_DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        try:
            return (await reader.read(-1)).decode()
        finally:
            writer.close()


def _number(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return int(float(found[1])) if found else 0


@dataclass(frozen=True)
class Growth:
    """Whether memory grew.

    Attributes:
        mb_per_hour: The slope, or what the two medians of a short run come to.
        noise_mb_per_hour: What cannot be told from nothing.
        text: Both, for people.
    """

    mb_per_hour: float
    noise_mb_per_hour: float
    text: str

    @property
    def is_leak(self) -> bool:
        """Above the limit by more than noise."""
        return self.mb_per_hour - self.noise_mb_per_hour > MAX_MB_PER_HOUR


def growth(samples: list[Sample]) -> Growth:
    """The verdict on memory after warm-up; `samples` begin where the load does."""
    seconds = samples[-1].at_s - samples[0].at_s
    return _slope(samples) if seconds >= LEAST_FOR_SLOPE_S else _medians(samples, seconds)


def _slope(samples: list[Sample]) -> Growth:
    """Least squares over medians of bins, since neighbouring samples are alike."""
    kept = samples[len(samples) // 4 :]
    size = max(1, len(kept) // _BINS)
    bins = [kept[i : i + size] for i in range(0, len(kept) - size + 1, size)]
    hours = [statistics.fmean(one.at_s for one in part) / 3600 for part in bins]
    sizes = [statistics.median(one.rss_mb for one in part) for part in bins]
    fit = statistics.linear_regression(hours, sizes)
    rest = [y - fit.intercept - fit.slope * x for x, y in zip(hours, sizes, strict=True)]
    middle = statistics.fmean(hours)
    spread = sum((x - middle) ** 2 for x in hours)
    error = (sum(one**2 for one in rest) / max(1, len(rest) - 2) / spread) ** 0.5
    text = f"{fit.slope:+.2f} MB/h, give or take {2 * error:.2f}"
    return Growth(fit.slope, 2 * error, text)


def _medians(samples: list[Sample], seconds: float) -> Growth:
    """Second against last quarter: too short for a slope of 1 MB/h to show at all."""
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    before = statistics.median(one.rss_mb for one in second)
    after = statistics.median(one.rss_mb for one in last)
    scatter = statistics.pstdev([one.rss_mb for one in second])
    noise = max(LEAST_NOISE_MB, 2 * scatter)
    hours = seconds / 2 / 3600
    text = (
        f"{before:.1f} MB in the second quarter, {after:.1f} MB in the last; noise {noise:.1f} MB, "
        f"so a leak below {noise / hours:.0f} MB/h does not show in so short a run"
    )
    return Growth((after - before) / hours, noise / hours, text)


def left_behind(before: Sample, after: Sample) -> list[str]:
    """What is more than it was before the load, in words; empty if nothing is."""
    out: list[str] = []
    for name, was, now in (
        ("file descriptors", before.fds, after.fds),
        ("tasks", before.tasks, after.tasks),
        ("threads", before.threads, after.threads),
    ):
        if now > was + MAX_LEFT:
            out.append(f"{name}: {was} before, {now} after")
    return out


def chart(samples: list[Sample], width: int = 64) -> str:
    """Memory over time as text."""
    step = max(1, len(samples) // width)
    sizes = [
        statistics.median(one.rss_mb for one in samples[i : i + step])
        for i in range(0, len(samples), step)
    ]
    low, high = min(sizes), max(sizes)
    blocks = "▁▂▃▄▅▆▇█"
    scale = (len(blocks) - 1) / max(high - low, 0.1)
    bars = "".join(blocks[round((size - low) * scale)] for size in sizes)
    return f"memory {low:.1f} to {high:.1f} MB  {bars}"
