"""Nodes on the wire."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.protocol.nodes import (
    NodeFacts,
    NodeInvoke,
    NodeInvoked,
    NodeInvokeRequest,
    NodeInvokeResult,
    NodePairRequest,
    NodePairRequestRow,
    NodeResultTaken,
)


def test_the_names_that_are_no_camel_case_are_the_protocols() -> None:
    request = NodeInvokeRequest(
        id="i", node_id="n", command="c", params_json=None, timeout_ms=5, idempotency_key="k"
    )
    assert msgspec.to_builtins(request) == {
        "id": "i",
        "nodeId": "n",
        "command": "c",
        "paramsJSON": None,
        "timeoutMs": 5,
        "idempotencyKey": "k",
    }
    done = NodeInvoked(ok=True, node_id="n", command="c", payload=None, payload_json=None)
    assert set(msgspec.to_builtins(done)) == {"ok", "nodeId", "command", "payload", "payloadJSON"}


def test_a_result_that_was_taken_says_nothing_of_being_ignored() -> None:
    assert msgspec.to_builtins(NodeResultTaken(ok=True)) == {"ok": True}
    assert msgspec.to_builtins(NodeResultTaken(ok=True, ignored=True)) == {
        "ok": True,
        "ignored": True,
    }


def test_what_was_not_said_is_absent() -> None:
    row = NodePairRequestRow(request_id="q", node_id="n", is_repair=False, ts=1)
    assert set(msgspec.to_builtins(row)) == {"requestId", "nodeId", "isRepair", "ts"}


def test_every_fact_of_the_older_list_can_be_asked_with() -> None:
    assert set(NodeFacts.__struct_fields__) < set(NodePairRequest.__struct_fields__)


def test_missing_params_and_null_params_are_different() -> None:
    asked: dict[str, Any] = {"nodeId": "n", "command": "c", "idempotencyKey": "k"}
    assert msgspec.convert(asked, NodeInvoke).params is msgspec.UNSET
    assert msgspec.convert({**asked, "params": None}, NodeInvoke).params is None


@pytest.mark.parametrize("text", ['{"a":1}', None, {"a": 1}])
def test_a_result_takes_every_form_of_its_text(text: Any) -> None:
    given = {"id": "i", "nodeId": "n", "ok": True, "payloadJSON": text, "error": None}
    assert msgspec.convert(given, NodeInvokeResult).payload_json == text
