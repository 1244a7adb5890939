"""The whole gateway under a hostile media server: caps hold, memory stays, health is answered.

The same tricks as in `test_hostile_media.py`, but they come as attachments of signed messages
to a gateway process as people run it, and what counts is what its model is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from support.hostile_media import BOMB_BYTES, TRICKS
from support.hostile_world import HEAP, HEAP_NAME, WARM_UP
from support.namespace import report_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MEBIBYTE = 1024 * 1024
MAX_ITEM_MB = 20
HEALTH_DEADLINE_S = 1.0
NOT_FETCHED = "could not be fetched"


@pytest.fixture(name="report")
def _report() -> dict[str, Any]:
    """What came of the attack, which takes two minutes: as long as a download may take."""
    pytest.importorskip("PIL.Image")
    return report_of(
        "support.hostile_world",
        str(MAX_ITEM_MB),
        what="THE GATEWAY UNDER A HOSTILE MEDIA SERVER IS",
        timeout_s=260,
    )


def test_the_model_is_shown_what_is_good_and_told_of_the_rest(report: Mapping[str, Any]):
    shown = report["shown"]
    assert set(shown) == {*TRICKS, HEAP_NAME}
    for name, trick in TRICKS.items():
        text, n_pictures = shown[name]["text"], shown[name]["n_pictures"]
        assert (NOT_FETCHED in text) == (trick.outcome != "stored"), text
        assert n_pictures == (trick.picture == "rendered"), name
        if trick.outcome == "stored" and trick.picture != "rendered":
            assert f"An attached file ({trick.content_type})" in text


def test_a_message_full_of_bombs_is_treated_like_one_of_each(report: Mapping[str, Any]):
    shown = report["shown"][HEAP_NAME]
    not_fetched = [name for name in HEAP if TRICKS[name].outcome != "stored"]
    assert shown["text"].count(NOT_FETCHED) == len(not_fetched)
    assert shown["n_pictures"] == sum(TRICKS[name].picture == "rendered" for name in HEAP)


def test_memory_grows_by_less_than_twice_the_limit(report: Mapping[str, Any]):
    print(
        f"\n{len(report['shown'])} messages in {report['seconds']:.0f} s: memory grew by "
        f"{report['grown_bytes'] / MEBIBYTE:.1f} MiB"
    )
    assert report["grown_bytes"] < 2 * MAX_ITEM_MB * MEBIBYTE


def test_health_is_answered_within_a_second_all_the_time(report: Mapping[str, Any]):
    waits_s = report["waits_s"]
    print(f"\nhealth answered {len(waits_s)} times, at worst after {max(waits_s) * 1000:.0f} ms")
    assert len(waits_s) > report["seconds"]
    assert max(waits_s) < HEALTH_DEADLINE_S


def test_nothing_is_read_far_beyond_its_cap_and_only_good_files_are_kept(
    report: Mapping[str, Any],
):
    sent_bytes = report["sent_bytes"]
    for name in ("endless", "endless-chunks"):  # each was asked for twice
        assert sent_bytes[name] < 2 * 2 * MAX_ITEM_MB * MEBIBYTE
    assert sent_bytes["tiny-chunks"] < 2 * MAX_ITEM_MB * MEBIBYTE
    assert sent_bytes["gzip-bomb"] < 2 * BOMB_BYTES / 500
    stored = [name for name in (*TRICKS, *HEAP, *WARM_UP) if TRICKS[name].outcome == "stored"]
    assert report["n_stored"] == len(stored)
