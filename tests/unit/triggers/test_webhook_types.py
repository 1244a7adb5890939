"""A head says only what was said once."""

from __future__ import annotations

import pytest

from carapace.triggers.webhook_types import Step, plain
from support.webhooks import head


@pytest.mark.parametrize(
    ("values", "seen"), [((), None), (("a",), "a"), (("a", "b"), None), (("a", "a"), None)]
)
def test_a_header_counts_if_it_was_sent_once(values: tuple[str, ...], seen: str | None):
    headers = {"X-Name": values} if values else {}
    assert head(headers=headers).header("x-NAME") == seen


def test_plain_answers_name_their_headers():
    answer = plain(405, "no", Allow="POST", Retry_After="3")
    assert answer.headers == {"Allow": "POST", "Retry-After": "3"}
    assert answer.content_type == "text/plain; charset=utf-8"


def test_the_order_of_work_is_the_order_of_the_steps():
    assert [step.value for step in Step] == [
        "method",
        "route",
        "budget",
        "body",
        "signature",
        "replay",
        "parse",
        "authorise",
        "persist",
        "answer",
    ]
