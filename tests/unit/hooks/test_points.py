"""What the hook points declare, and what the page about them says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import msgspec
import pytest

from carapace.hooks import points
from carapace.hooks.points import POINTS, HookPoint, Payload
from carapace.provenance import Provenance

PAGE = Path(__file__).resolve().parents[3] / "docs" / "explain" / "hooks.md"
FACTS_OF_ORIGIN = {"provenance", "run_id", "session_key", "agent_id", "sender_id", "channel"}


def test_the_points_are_those_of_the_node_gateway():
    assert set(POINTS) == {
        "before_agent_start",
        "message_received",
        "message_sending",
        "message_sent",
        "before_tool_call",
        "after_tool_call",
        "tool_result_persist",
        "session_start",
        "session_end",
        "gateway_start",
        "gateway_stop",
    }


def test_every_point_is_exported_under_its_name_in_capitals():
    for name, point in POINTS.items():
        assert getattr(points, name.upper()) is point
        assert name.upper() in points.__all__


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_what_may_change_is_a_field_and_never_says_where_words_come_from(point: HookPoint[Payload]):
    fields = set(point.payload.__struct_fields__)
    assert point.changes <= fields
    assert not point.changes & FACTS_OF_ORIGIN
    assert point.veto is None or point.veto in point.changes
    assert point.is_modifiable == bool(point.changes)


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_every_payload_is_frozen_and_has_a_json_form(point: HookPoint[Payload]):
    assert point.payload.__struct_config__.frozen
    schema = msgspec.json.schema(point.payload)
    assert schema["$ref"].endswith(point.payload.__name__)


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_a_veto_is_unset_at_first(point: HookPoint[Payload]):
    if point.veto is not None:
        field = {f.name: f for f in msgspec.structs.fields(point.payload)}[point.veto]
        assert field.default is None


def test_points_about_a_run_tell_whose_words_started_it():
    for name in ("before_agent_start", "before_tool_call", "after_tool_call", "message_received"):
        kinds = {f.name: f.type for f in msgspec.structs.fields(POINTS[name].payload)}
        assert kinds["provenance"] is Provenance


def test_every_attribute_of_a_payload_is_explained():
    for point in POINTS.values():
        text = inspect.getdoc(point.payload) or ""
        told = set(re.findall(r"^    (\w+):", text, re.MULTILINE))
        assert told == set(point.payload.__struct_fields__)


def test_the_page_lists_every_point_with_its_meaning_and_what_may_change():
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| `")
    ]
    told = {row[0].strip("`"): (row[1], row[2]) for row in rows}
    assert told == {
        name: (
            point.meaning,
            ", ".join(f"`{field}`" for field in sorted(point.changes)) or "nothing",
        )
        for name, point in POINTS.items()
    }


@pytest.mark.slow
def test_every_point_is_called_somewhere():
    room = Path(points.__file__).parent
    used = "\n".join(
        path.read_text("utf-8") for path in room.parent.rglob("*.py") if room not in path.parents
    )
    for name in POINTS:
        assert re.search(rf"\b(?:tell|change)\(\s*{name.upper()}\b", used), name
