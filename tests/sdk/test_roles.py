"""Webhooks, hooks, services, channels and setups speak plain values of the contract."""

from __future__ import annotations

import json
from typing import Any

import pytest
from carapace_plugin import (
    Channel,
    Dead,
    Delivered,
    Outgoing,
    PluginError,
    Question,
    RetryAfter,
    Service,
    Setup,
    Unknown,
    WebhookRequest,
    WebhookResponse,
    channel,
    channels,
    hook,
    hook_points,
    service,
    services,
    setup,
    setup_questions,
    webhook,
    webhooks,
)
from carapace_plugin.bodies import Media

ERROR = {"code": "c", "message": "m", "retryable": True, "retry_after_ms": 7}


def request(path: str, text: str = "{}") -> dict[str, Any]:
    return {
        "method": "POST",
        "path": path,
        "query": "a=1&b=2",
        "headers": [{"name": "X-Secret", "value": "s"}],
        "body": {"tag": "text", "value": text},
        "remote_address": "192.0.2.1",
        "received_at_ms": 1.0,
    }


def test_a_webhook_answers_its_path_in_many_ways():
    answers: list[Any] = ["text", {"a": 1}, None, WebhookResponse(201, b"x", {"y": "z"}), Media]

    @webhook("/events")
    def events(got: WebhookRequest) -> Any:
        assert (got.parameter("a"), got.parameter("c")) == ("1", None)
        assert got.headers["x-secret"] == "s"
        return answers.pop(0)

    assert webhooks.handle(request("/events"))["body"] == {"tag": "text", "value": "text"}
    assert json.loads(webhooks.handle(request("/events"))["body"]["value"]) == {"a": 1}
    assert webhooks.handle(request("/events"))["body"]["tag"] == "empty"
    assert webhooks.handle(request("/events")) == {
        "status": 201,
        "headers": [{"name": "y", "value": "z"}],
        "body": {"tag": "base64", "value": "eA=="},
    }
    with pytest.raises(PluginError, match="returns text, a dictionary or None"):
        webhooks.handle(request("/events"))
    assert webhooks.handle(request("/other"))["status"] == 404


def test_the_root_answers_the_rest_and_paths_are_taken_once():
    @webhook("/")
    def rest(got: WebhookRequest) -> str:
        return got.path

    assert webhooks.handle(request("/any"))["body"]["value"] == "/any"
    for path in ("/", "x"):
        with pytest.raises(ValueError, match="does not begin with a slash, or is taken"):
            webhook(path)


def test_a_hook_changes_events_of_its_point_alone():
    @hook("message_sending")
    def sign(event: dict[str, Any]) -> dict[str, Any] | None:
        return {**event, "text": "x"} if event["text"] else None

    assert hook_points.points() == ["message_sending"]
    assert json.loads(hook_points.on_hook("message_sending", '{"text": "a"}') or "") == {
        "text": "x"
    }
    assert hook_points.on_hook("message_sending", '{"text": ""}') is None
    assert hook_points.on_hook("other", "{}") is None
    with pytest.raises(ValueError, match="has a handler already"):
        hook("message_sending")


def test_a_service_hears_what_the_gateway_holds_for_it():
    heard: list[Any] = []

    @service
    class Mine(Service):
        def on_poll(self, name: str, answer: object, payload: str) -> None:
            heard.append((name, answer, payload))

        def on_websocket_open(self, name: str) -> None:
            heard.append(name)

        def on_websocket_frame(self, name: str, frame: str | bytes) -> None:
            heard.append(frame)

        def on_websocket_closed(self, name: str, why: str) -> None:
            heard.append(why)

    assert isinstance(services.registered(), Mine)
    response = {"status": 200, "headers": [], "body": {"tag": "text", "value": "hi"}}
    services.on_poll("p", {"ok": response}, "x")
    services.on_poll("p", {"err": ERROR}, "y")
    assert heard[0][1].text == "hi"
    assert heard[1][1].to_wire() == ERROR
    services.on_websocket("w", {"tag": "opened", "value": None})
    services.on_websocket("w", {"tag": "frame", "value": {"tag": "base64", "value": "eA=="}})
    services.on_websocket("w", {"tag": "frame", "value": {"tag": "text", "value": "t"}})
    services.on_websocket("w", {"tag": "closed", "value": "bye"})
    assert heard[2:] == ["w", b"x", "t", "bye"]
    with pytest.raises(ValueError, match="one service"):
        service(Mine)


def test_a_service_needs_to_override_nothing():
    quiet = services.registered()
    quiet.start()
    quiet.tick(0.0)
    quiet.on_timer("t", "")
    services.on_poll("p", {"err": ERROR}, "")
    for tag, value in (("opened", None), ("frame", {"tag": "text", "value": ""}), ("closed", "")):
        services.on_websocket("w", {"tag": tag, "value": value})
    quiet.stop()
    assert quiet.health() is None


OUTGOING = {
    "target": {"account": "a", "conversation_id": "c", "thread_id": None},
    "text": "hi",
    "media": [],
    "reply_to": None,
    "about_message_id": None,
    "idempotency_key": "k",
    "may_be_repeat": False,
    "attempt": 1,
}


def test_a_channel_that_only_sends_text():
    error = PluginError("c", "m", retryable=True, retry_after_ms=7)
    outcomes: list[Any] = [Delivered("m-1"), RetryAfter(error), Dead(error), Unknown(error)]

    @channel
    class Mine(Channel):
        id = "mine"
        label = "Mine"

        def send_text(self, outgoing: Outgoing) -> Any:
            assert outgoing.target.conversation_id == "c"
            return outcomes.pop(0)

    about = channels.call("describe")
    assert (about["id"], about["unit"], about["chat_types"]) == ("mine", "characters", ["direct"])
    assert channels.call("send_text", OUTGOING) == {"tag": "delivered", "value": "m-1"}
    for tag in ("retry-after", "dead", "unknown"):
        assert channels.call("send_text", OUTGOING) == {"tag": tag, "value": ERROR}
    poll = {"question": "q", "options": [], "max_selections": 1}
    refused = [channels.call("send_poll", OUTGOING, poll)]
    refused += [channels.call(each, OUTGOING) for each in ("send_media", "edit", "delete", "react")]
    assert {each["tag"] for each in refused} == {"dead"}
    assert channels.call("start", "a", "{}") is None
    assert channels.call("stop", "a") is None
    assert channels.call("look_up", OUTGOING) is None
    assert channels.call("typing", OUTGOING["target"], True) is None
    assert channels.call("resolve", "a", "@x") == "@x"
    assert channels.call("directory", "a", "", 5) == []
    assert channels.call("probe", "a") == "{}"
    assert channels.call("login", "a", "")["kind"] == "done"
    with pytest.raises(ValueError, match="one channel"):
        channel(Mine)


def test_without_a_channel_there_is_nothing_to_call():
    with pytest.raises(PluginError, match="no channel"):
        channels.call("describe")
    with pytest.raises(NotImplementedError):
        Channel().send_text(Outgoing(**OUTGOING))  # pyright: ignore[reportArgumentType] - never looked at


def test_a_setup_asks_and_gives_settings():
    assert setup_questions.questions("a") == []
    assert setup_questions.settings("a", '{"x": 1}') == '{"x": 1}'

    @setup
    class Mine(Setup):
        def questions(self, account: str) -> list[Question]:
            return [Question(key=account, label="Token", kind="secret")]

    assert setup_questions.questions("default") == [
        {
            "key": "default",
            "label": "Token",
            "help": "",
            "kind": "secret",
            "choices": [],
            "required": True,
        }
    ]
    with pytest.raises(ValueError, match="one setup"):
        setup(Mine)
