"""The first mapping that fits counts; what would need code is not served."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.config.settings.hooks import HookMapping, HooksSettings
from carapace.triggers.hook_mappings import (
    PRESETS,
    apply_mapping,
    first_match,
    path_of,
    served_mappings,
    settings_troubles,
)
from carapace.triggers.hook_requests import AgentHook, WakeHook, thinking_of
from carapace.triggers.hook_templates import Source
from carapace.triggers.webhook_types import BadBody


def mapping(**fields: Any) -> HookMapping:
    return msgspec.convert(fields, HookMapping)


def test_a_path_is_taken_without_its_slashes():
    assert path_of(mapping(match={"path": " /mail/in/ "})) == "mail/in"
    assert path_of(mapping(match={"path": "/"})) is None
    assert path_of(mapping()) is None


def test_the_first_that_fits_path_and_source():
    rows = [
        mapping(id="a", match={"path": "x", "source": "s"}),
        mapping(id="b", match={"path": "x"}),
        mapping(id="c", match={"source": "t"}),
    ]

    def found(path: str, source: Any) -> str | None:
        one = first_match(rows, path, {"source": source})
        return one.id if one is not None else None

    assert [found("x", "s"), found("x", "t"), found("y", "t"), found("y", "s")] == [
        "a",
        "b",
        "c",
        None,
    ]
    assert found("y", ["t"]) is None


def test_presets_come_after_what_somebody_wrote():
    settings = HooksSettings(presets=("gmail",), mappings=(mapping(id="own"),))
    served, troubles = served_mappings(settings)
    assert [one.id for one in served] == ["own", "gmail"]
    assert troubles == []
    assert set(PRESETS) == {"gmail"}


@pytest.mark.parametrize(
    "module", ["./x.js", "../../etc/x.mjs", "/abs/x.js", "file:///x", "C:\\x", "filter", "", None]
)
def test_a_transform_is_never_loaded(module: str | None):
    settings = HooksSettings(mappings=(mapping(transform={"module": module}), mapping(id="kept")))
    served, troubles = served_mappings(settings)
    assert [one.id for one in served] == ["kept"]
    assert len(troubles) == 1
    assert "number 1 is not served" in troubles[0]


@pytest.mark.parametrize("path", ["wake", "/agent/"])
def test_our_own_paths_are_not_mapped(path: str):
    served, troubles = served_mappings(
        HooksSettings(mappings=(mapping(id="m", match={"path": path}),))
    )
    assert served == []
    assert "mapping m is not served" in troubles[0]


SOURCE = Source(payload={"a": "A", "to": " !room ", "k": "7"})


def test_a_mapping_makes_a_wake():
    row = mapping(action="wake", textTemplate=" {{a}} ", wakeMode="next-heartbeat")
    assert apply_mapping(row, SOURCE, ()) == WakeHook(text="A", mode="next-heartbeat")


def test_a_mapping_makes_a_message():
    row = mapping(
        id="m",
        messageTemplate="{{a}}!",
        name="Name",
        agentId="work",
        sessionKey="hook:{{k}}",
        deliver=False,
        channel="matrix",
        to="{{to}}",
        model="p/m",
        thinking="high",
        timeoutSeconds=5,
    )
    assert apply_mapping(row, SOURCE, ("matrix",)) == AgentHook(
        message="A!",
        agent_id="work",
        is_agent_configured=True,
        session_key="hook:7",
        is_session_chosen=True,
        name="Name",
        deliver=False,
        channel="matrix",
        to="!room",
        model="p/m",
        thinking=thinking_of("high"),
        timeout_s=5.0,
    )


def test_a_session_without_a_place_is_the_configurations_choice():
    made = apply_mapping(mapping(messageTemplate="x", sessionKey="hook:a"), SOURCE, ())
    assert isinstance(made, AgentHook)
    assert (made.session_key, made.is_session_chosen) == ("hook:a", False)


@pytest.mark.parametrize(
    ("name", "row_id", "told"),
    [
        ("Mail", "m", "Mail"),
        ("{{a}}", "m", "m"),
        (None, "m", "m"),
        (None, "{{a}}", None),
        (None, None, None),
    ],
)
def test_a_name_is_never_filled_by_a_request(
    name: str | None, row_id: str | None, told: str | None
):
    made = apply_mapping(mapping(messageTemplate="x", name=name, id=row_id), SOURCE, ())
    assert isinstance(made, AgentHook)
    assert made.name == told


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (mapping(), "requires message"),
        (mapping(messageTemplate="{{nothing}}"), "requires message"),
        (mapping(action="wake", messageTemplate="x"), "requires text"),
        (mapping(messageTemplate="x", channel="nope"), "channel must be last"),
        (mapping(messageTemplate="x", thinking="nope"), "thinking must be"),
    ],
)
def test_what_makes_no_sense_is_refused(row: HookMapping, text: str):
    with pytest.raises(BadBody, match=text):
        apply_mapping(row, SOURCE, ())


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (HooksSettings(), 0),
        (HooksSettings(enabled=True), 1),
        (HooksSettings(enabled=True, token=" "), 1),
        (HooksSettings(enabled=True, token="t"), 0),
        (HooksSettings(enabled=True, token="t", mappings=(mapping(transform={}),)), 1),
    ],
)
def test_what_cannot_be_had_is_said_while_hooks_are_on(settings: HooksSettings, count: int):
    assert len(settings_troubles(settings)) == count
