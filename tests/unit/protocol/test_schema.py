"""The schema says of every method and event what the structs say."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import msgspec
import pytest

from carapace.protocol.agent import AgentAccepted, AgentFinal
from carapace.protocol.events import EVENTS
from carapace.protocol.health import HealthSnapshot
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.schema import PAYLOADS, protocol_schema
from carapace.protocol.scopes import Role, Scope
from carapace.protocol.sessions import ChatHistory, ChatHistoryPage


def sample() -> Methods:
    methods = Methods()

    @methods.method("chat.history", scope=Scope.READ)
    def history(ctx: object, params: ChatHistory) -> ChatHistoryPage:
        """Read back."""
        raise AssertionError

    @methods.method("agent", scope=Scope.WRITE)
    def agent(ctx: object, params: EmptyParams) -> AgentFinal | AgentAccepted:
        """Run."""
        raise AssertionError

    @methods.method("health", scope=Scope.READ, result=HealthSnapshot)
    def health(ctx: object) -> msgspec.Raw:
        """Answer bytes that were encoded before."""
        raise AssertionError

    @methods.method("node.event", role=Role.NODE)
    def node_event(ctx: object) -> None:
        """Take news."""

    return methods


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return protocol_schema(sample())


def validator(schema: dict[str, Any], part: Any) -> Any:
    return jsonschema_rs.validator_for({**part, "$defs": schema["$defs"]})


def test_the_document_is_a_valid_schema_and_every_reference_resolves(schema):
    jsonschema_rs.validator_for(schema)
    assert schema["$schema"].endswith("2020-12/schema")

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [ref for value in node.values() for ref in references(value)]
        return [ref for item in node for ref in references(item)] if isinstance(node, list) else []

    for reference in references(schema):
        assert reference.rsplit("/", 1)[1] in schema["$defs"], reference


def test_connect_comes_first_and_needs_no_scope(schema):
    assert next(iter(schema["methods"])) == "connect"
    assert schema["methods"]["connect"]["scope"] is None


def test_params_are_validated_as_the_gateway_validates_them(schema):
    params = validator(schema, schema["methods"]["chat.history"]["params"])
    assert params.is_valid({"sessionKey": "main", "limit": 5})
    assert not params.is_valid({"sessionKey": "main", "limit": 0})
    assert not params.is_valid({"sessionKey": "main", "unknown": 1})
    assert not params.is_valid({})


def test_a_union_of_results_takes_each_of_them_and_nothing_else(schema):
    result = validator(schema, schema["methods"]["agent"]["result"])
    assert result.is_valid({"runId": "r", "status": "accepted", "acceptedAt": 1})
    assert result.is_valid({"runId": "r", "status": "ok", "summary": "completed"})
    assert not result.is_valid({"runId": "r", "status": "maybe"})


def test_a_result_that_is_encoded_before_is_described_by_its_type(schema):
    assert schema["methods"]["health"]["result"] == {"$ref": "#/$defs/HealthSnapshot"}
    messages = schema["$defs"]["ChatHistoryPage"]["properties"]["messages"]
    assert messages["items"] == {"$ref": "#/$defs/TranscriptMessage"}


def test_a_method_that_takes_and_gives_nothing_says_so(schema):
    row = schema["methods"]["node.event"]
    assert (row["params"], row["result"], row["role"]) == ({}, {"type": "null"}, "node")


def test_every_event_is_there_and_only_those_with_a_payload_are_sent(schema):
    assert list(schema["events"]) == list(EVENTS)
    sent = {name for name, row in schema["events"].items() if row["sent"]}
    assert sent == set(PAYLOADS) == {n for n, row in schema["events"].items() if "payload" in row}


def test_descriptions_are_free_of_the_sources_indentation(schema):
    for definition in schema["$defs"].values():
        assert "\n    Each" not in definition.get("description", "")
    assert "encoded" in schema["$defs"]["ChatHistoryPage"]["description"]
