"""What a turn leaves behind."""

from __future__ import annotations

from carapace.agent.draft import Draft, token_usage, total_tokens, user_message
from carapace.agent.pricing import Price
from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.providers.ports import ImagePart, ToolCall, Usage
from carapace.agent.tools.runner import ToolReport
from support.scripted_provider import ScriptedProvider


def a_draft() -> Draft:
    price = Price(input=1.0, output=2.0)
    return Draft("r", ModelTarget("p", "m", ScriptedProvider(), pricing=price, api="a"))


def test_messages_are_numbered_and_priced():
    draft = a_draft()
    draft.text, draft.usage = "hello", Usage(1_000_000, 500_000)
    assert draft.close_message("stop", 7) == ()
    message = draft.messages[0]
    assert (message.message_id, message.text, message.api) == ("r/1", "hello", "a")
    assert message.usage is not None
    assert message.usage.cost is not None
    assert message.usage.cost.total == 2.0
    assert draft.totals.cost_nano_usd == 2_000_000_000
    assert (draft.texts, draft.is_blank) == (["hello"], True)


def test_tool_calls_and_their_results():
    draft = a_draft()
    draft.calls.append(ToolCall("c", "t", '{"x":1}'))
    assert not draft.is_blank
    calls = draft.close_message("toolUse", 1)
    assert not draft.last_has_text
    draft.add_result(calls[0], ToolReport("no", "error"), 2)
    assert draft.messages[0].content[0]["arguments"] == {"x": 1}
    assert (draft.messages[1].message_id, draft.messages[1].is_error) == ("r/2", True)
    assert draft.totals.total == 0


def test_a_users_message_keeps_its_pictures():
    stored = user_message("r/user", "", (ImagePart("image/png", "QQ=="),), 1)
    assert stored.content == ({"type": "image", "data": "QQ==", "mimeType": "image/png"},)


def test_totals_count_every_kind():
    assert total_tokens(Usage(1, 2, 3, 4)) == token_usage(Usage(1, 2, 3, 4)).total == 10
