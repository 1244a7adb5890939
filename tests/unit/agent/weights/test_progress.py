from __future__ import annotations

from carapace.agent.weights.progress import Meter
from support.clock import FakeClock


async def test_reports_come_ten_times_a_second_at_most_with_the_rate_of_the_last_seconds():
    clock, reports = FakeClock(), []
    meter = Meter(reports.append, clock=clock, total_bytes=None)
    meter.tell("connecting", "trying")
    assert (reports[-1].rate_bytes_s, reports[-1].note) == (0.0, "trying")
    meter.start("hub", 0, 1000)
    meter.move(10)
    assert len(reports) == 2
    for _ in range(10):
        await clock.advance(1)
        meter.move(100)
    assert len(reports) == 12
    last = reports[-1]
    assert (last.done_bytes, last.total_bytes, last.source) == (1010, 1000, "hub")
    assert last.rate_bytes_s == 100


async def test_a_correction_of_the_same_source_keeps_the_rate():
    clock, reports = FakeClock(), []
    meter = Meter(reports.append, clock=clock, total_bytes=None)
    meter.start("index", 0, 1000)
    await clock.advance(1)
    meter.move(90)
    meter.start("index", 100, 1000)
    assert (reports[-1].done_bytes, reports[-1].rate_bytes_s) == (100, 100)
    meter.start("hub", 100, 1000)
    assert reports[-1].rate_bytes_s == 0
