"""The pages name every method, event and type of the schema they are made from."""

from __future__ import annotations

from carapace.app.parts import METHODS
from carapace.protocol.events import EVENTS
from carapace.protocol.schema import PAYLOADS, protocol_schema
from carapace_tools.reference.websocket import events_page, types_page, websocket_page

SCHEMA = protocol_schema(METHODS)


def test_every_method_has_its_section_with_scope_params_and_result():
    page = websocket_page(SCHEMA)
    for name, row in METHODS.items():
        scope = f"`{row.scope}`" if row.scope else "none"
        assert f"\n### {name}\n\n{row.summary}\n\n- Scope: {scope}\n- Params: " in page
    assert "| [`sessions.list`](#sessionslist) | `operator.read` | List sessions" in page
    assert "[AgentFinal](types.md#agentfinal) or [AgentAccepted](types.md#agentaccepted)" in page


def test_every_event_is_in_the_table_and_those_that_are_sent_have_their_payload():
    page = events_page(SCHEMA)
    for name in EVENTS:
        assert f"| `{name}` |" in page
        assert (f"\n## {name}\n" in page) is (name in PAYLOADS)
    assert "| `cron` | `operator.read` | yes | yes |" in page
    assert "| `chat` | `operator.read` | no | yes |" in page


def test_every_type_has_its_section_without_lists_of_attributes():
    page = types_page(SCHEMA)
    for name in SCHEMA["$defs"]:
        assert f"\n## {name}\n" in page
    assert "Attributes:" not in page
