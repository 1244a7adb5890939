"""A run is named after its slot."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.triggers.cron.types import JobRun, run_id_of

RUN = JobRun(job_id="j", slot_ms=5, is_forced=False, starts=1, started_at_ms=7)


def test_the_same_slot_and_start_have_the_same_run_and_others_another():
    assert RUN.run_id == run_id_of("j", 5, 1, is_forced=False)
    assert replace(RUN, started_at_ms=9).run_id == RUN.run_id
    others = [
        replace(RUN, job_id="k"),
        replace(RUN, slot_ms=6),
        replace(RUN, starts=2),
        replace(RUN, is_forced=True),
    ]
    assert len({RUN.run_id, *(other.run_id for other in others)}) == 5
