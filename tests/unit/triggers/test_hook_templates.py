"""Templates look things up and do nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.triggers.hook_templates import MAX_RENDERED, Source, is_template, render
from carapace.triggers.webhook_types import BadBody

SOURCE = Source(
    payload={
        "a": {"b": [{"c": "deep"}, 2]},
        "list": ["x", "y"],
        "n": 1,
        "f": 1.5,
        "yes": True,
        "no": False,
        "nil": None,
        "odd key": "spaced",
        "payload": {"x": "inner"},
        "template": "{{n}}",
        "ü": "umlaut",
    },
    path="mail/in",
    headers={
        "x-kind": "push",
        "authorization": "Bearer secret",
        "x-openclaw-token": "secret",
        "x-hub-signature-256": "secret",
        "cookie": "secret",
        "x-api-key": "secret",
    },
    query={"q": "1", "token": "secret"},
    now="2026-01-01",
)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", ""),
        ("plain { } }} {{", "plain { } }} {{"),
        ("{{a.b[0].c}}", "deep"),
        ("{{ a.b[1] }}!", "2!"),
        ("<{{list[1]}}{{list[0]}}>", "<yx>"),
        ("{{n}} {{f}} {{yes}} {{no}} [{{nil}}]", "1 1.5 true false []"),
        ("{{a.b}}", '[{"c":"deep"},2]'),
        ("{{odd key}}", "spaced"),
        ("{{ü}}", "umlaut"),
        ("{{payload.n}} {{payload.payload.x}}", "1 inner"),
        ("{{payload}}", '{"x":"inner"}'),
        ("{{path}} {{now}}", "mail/in 2026-01-01"),
        ("{{headers.X-Kind}} {{query.q}}", "push 1"),
        ("{{missing}}{{a.missing}}{{a.b[9]}}{{n.x}}{{list.x}}{{a[0]}}", ""),
        ("{{template}}", "{{n}}"),
        ("{{a.__class__}}{{__proto__}}{{list.__len__}}", ""),
        ("{{.}}{{[0]}}{{[]}}", ""),
        ("{{}}", "{{}}"),
        ("{{" + ".".join("a" * 40) + "}}", ""),
    ],
)
def test_a_place_is_filled_with_what_is_there(text: str, rendered: str):
    assert render(text, SOURCE) == rendered


@pytest.mark.parametrize(
    "name",
    [
        "headers.authorization",
        "headers.Authorization",
        "headers.x-openclaw-token",
        "headers.x-hub-signature-256",
        "headers.cookie",
        "headers.x-api-key",
        "query.token",
    ],
)
def test_credentials_cannot_be_named(name: str):
    assert render(f"{{{{{name}}}}}", SOURCE) == ""


def test_a_message_is_bounded_however_often_a_place_repeats():
    source = Source(payload={"a": "x" * 10_000})
    with pytest.raises(BadBody, match="too long"):
        render("{{a}}" * (MAX_RENDERED // 10_000 + 1), source)


@pytest.mark.parametrize(
    ("text", "answer"),
    [(None, False), ("hook:mail", False), ("hook:{{id}}", True), ("{{}}", False)],
)
def test_whether_a_request_has_a_say(text: str | None, answer: Any):
    assert is_template(text) is answer
