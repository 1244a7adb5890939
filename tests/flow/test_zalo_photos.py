"""Photos go out and come in: the real gateway and plugin, a server of Zalo's.

The files have a public address, so all of it runs on a machine of its own.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from support.namespace import report_of
from support.zalo_gateway import built_zalo
from support.zalo_photo_in_world import CAP_MB, ENDLESS_BYTES
from support.zalo_photo_world import FETCH_TIMES, PICTURES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # building and compiling a Python guest takes a while
    pytest.mark.skipif(sys.platform != "linux", reason="needs namespaces"),
]
CAT, DOG = (hashlib.sha256(PICTURES[name]).hexdigest() for name in ("cat.png", "dog.gif"))


@pytest.fixture(name="report")
def _report() -> Mapping[str, Any]:
    built_zalo()
    return report_of(
        "support.zalo_photo_world", what="PHOTOS OUT THROUGH THE GATEWAY ARE", timeout_s=400
    )


def test_photos_go_out_with_the_text_at_the_first(report: Mapping[str, Any]):
    sent = report["sent"]
    assert [one.get("caption") for one in sent] == ["a cat", "two animals", None]
    assert {one["chat_id"] for one in sent} == {"u1"}
    assert len({one["photo"] for one in sent}) == 3


def test_zalo_fetches_each_several_times_and_gets_the_picture(report: Mapping[str, Any]):
    cat, dog = [200, "image/png", CAT], [200, "image/gif", DOG]
    assert report["photos"] == [cat] * 2 * FETCH_TIMES + [dog] * FETCH_TIMES
    assert report["later"] == cat


def test_the_same_key_again_fetches_and_sends_nothing_more(report: Mapping[str, Any]):
    assert report["answers"]["one, repeated"] == report["answers"]["one"]
    assert report["answers"]["one"]["queued"] is True
    assert sorted(report["asked"]) == ["/cat.png", "/cat.png", "/dog.gif", "/paper.pdf"]


def test_an_address_of_the_gateways_own_machine_is_not_fetched(report: Mapping[str, Any]):
    assert "not fetched" in report["answers"]["own"]
    assert "clear-text" not in report["answers"]["own"]


def test_what_is_no_photo_dies_with_the_reason(report: Mapping[str, Any]):
    states = report["states"]
    assert [state for state, _ in states] == ["delivered", "delivered", "dead"]
    assert "only photos" in states[-1][1]
    assert "read this" not in report["texts"]


# ---- photos that people send ----


@pytest.fixture(name="seen")
def _seen() -> Mapping[str, Any]:
    built_zalo()
    return report_of(
        "support.zalo_photo_in_world", what="PHOTOS IN THROUGH THE GATEWAY ARE", timeout_s=400
    )


def test_nothing_is_fetched_for_a_stranger_nor_from_a_closed_group(seen: Mapping[str, Any]):
    """Row E06."""
    assert seen["fetched_before"] == {}
    assert seen["fetched"] == {f"/friend/{name}.png": 1 for name in ("cat", "dog", "endless")}
    assert sorted(seen["turns"]) == ["bare", "cat", "endless"]


def test_the_model_gets_the_photo_and_what_was_written_to_it(seen: Mapping[str, Any]):
    cat, bare = seen["turns"]["cat"], seen["turns"]["bare"]
    assert "look, cat! [[say:a cat]]\\n<media:image>" in cat["text"]
    assert cat["sizes"] == [[31, 17]]
    assert bare["text"].endswith(' <media:image>"')
    assert bare["sizes"] == [[13, 29]]
    assert ["linh", "a cat"] in seen["texts"]


def test_a_photo_over_the_cap_is_cut_off_and_the_words_still_count(seen: Mapping[str, Any]):
    endless = seen["turns"]["endless"]
    assert "look, endless!" in endless["text"]
    assert f"longer than {CAP_MB}000000 bytes" in endless["text"]
    assert endless["sizes"] == []
    assert ["linh", "too much"] in seen["texts"]
    # What the sockets hold has left the server and was never read.
    assert seen["sent_bytes"] < ENDLESS_BYTES / 4
    assert seen["n_stored"] == 2
