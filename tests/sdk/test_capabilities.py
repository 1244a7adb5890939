"""What a plugin asks for in Python arrives as the contract has it, and comes back as Python."""

from __future__ import annotations

import pytest
from carapace_plugin import (
    HostError,
    agent,
    config,
    credentials,
    crypto,
    http,
    inbound,
    kv,
    log,
    media,
    poll,
    status,
    timers,
    websocket,
)
from carapace_plugin.bodies import Body, Media, body_of, to_wire
from carapace_plugin.testing import FakeHost, answer


def test_lines_settings_and_states(host: FakeHost):
    for level in ("debug", "info", "warn", "error"):
        getattr(log, level)("x")
    assert host.lines == [(level, "x") for level in ("debug", "info", "warn", "error")]
    assert (config.get("a.b"), config.get("a.c", 5), config.get("")) == (1, 5, {"a": {"b": 1}})
    status.set_state("a", "running", "fine")
    assert host.statuses == {"a": ("running", "fine")}


def test_secrets_are_used_but_not_seen(host: FakeHost):
    assert credentials.names() == ["token"]
    assert credentials.verify("token", "t")
    assert not credentials.verify("token", "other")
    assert len(credentials.hmac("token", "x", "sha1")) == 40
    assert len(credentials.hmac("token", "x")) == 64
    with pytest.raises(HostError, match="not in the manifest"):
        credentials.verify("gone", "t")


def test_what_is_stored_can_be_found(host: FakeHost):
    first = kv.put("a", "1")
    entry = kv.get("a")
    assert entry == kv.Entry("a", "1", first)
    assert kv.compare_and_set("a", first, "2") is not None
    assert kv.compare_and_set("a", first, "3") is None
    assert kv.delete("a")
    assert kv.get("a") is None


def test_a_scan_goes_on_over_pages(host: FakeHost):
    for number in range(205):
        kv.put(f"k/{number:03}", str(number))
    assert [each.key for each in kv.scan("k/")] == [f"k/{number:03}" for number in range(205)]
    assert list(kv.scan("other")) == []


def test_requests_are_made_as_asked(host: FakeHost):
    host.on("POST", "https://a.example/", answer(201, json_body={"x": 1}, x_one="1"))
    host.on("GET", "https://a.example/", HostError("timeout", "No answer."), answer(404, "gone"))
    got = http.post("https://a.example/", json={"a": 1}, headers={"h": "v"})
    assert (got.ok, got.status, got.json(), got.header("X-One")) == (True, 201, {"x": 1}, "1")
    assert got.header("gone") is None
    with pytest.raises(HostError, match="No answer"):
        http.get("https://a.example/")
    later = http.get("https://a.example/", timeout_s=0.5)
    assert (later.ok, later.text) == (False, "gone")
    sent = host.requests[0]
    assert sent["body"] == {"tag": "text", "value": '{"a": 1}'}
    assert {"name": "content-type", "value": "application/json"} in sent["headers"]
    assert host.requests[2]["timeout_ms"] == 500
    with pytest.raises(HostError, match="Nothing answers GET"):
        http.get("https://b.example/")


def test_secrets_go_where_they_are_wanted():
    uses = [
        http.header_secret("n", "authorization", "Bearer {}"),
        http.path_secret("n", "{token}"),
        http.query_secret("n", "key"),
        http.form_secret("n", "key"),
        http.json_secret("n", "/key"),
    ]
    made = http.prepare("POST", "https://a.example/", form={"a": "b c"}, secrets=uses)
    assert [each["place"]["tag"] for each in made["secrets"]] == [
        "header",
        "path",
        "query",
        "form",
        "json",
    ]
    assert made["secrets"][0]["template"] == "Bearer {}"
    assert made["body"] == {"tag": "text", "value": "a=b+c"}


def test_bodies_are_text_bytes_or_files():
    for content in (None, "text", b"\xff", Media("m-1")):
        assert body_of(to_wire(content)).content == content
    assert Body("ä").bytes == "ä".encode()
    assert Body(b"x").text == "x"
    assert Body(Media("m")).media == Media("m")
    assert Body(None).media is None
    with pytest.raises(ValueError, match="is a file"):
        assert Body(Media("m")).text


def test_files_stay_with_the_gateway(host: FakeHost):
    host.on("GET", "https://a.example/f", answer(200, "12345"))
    item = media.fetch("https://a.example/f", max_bytes=5)
    assert media.info(item.handle).size_bytes == 5
    with pytest.raises(HostError, match="larger than 4 bytes"):
        media.fetch("https://a.example/f", max_bytes=4)
    stored = media.put(b"x", claimed_type="image/png")
    assert stored.content_type == "text/plain"  # by content, not by claim
    assert media.link(stored.handle).startswith("https://")
    assert crypto.aes_ctr(stored.handle, b"k" * 32, b"n" * 16) != stored.handle
    with pytest.raises(HostError, match="no file gone"):
        media.info("gone")


def test_messages_come_in_once(host: FakeHost):
    message = inbound.Message(
        account="a",
        message_id="m",
        conversation_id="c",
        sender_id="s",
        text="t",
        attachments=[inbound.Attachment(url="https://a.example/f")],
    )
    assert inbound.deliver(message) == "accepted"
    assert inbound.deliver(message) == "duplicate"
    assert host.delivered[0]["attachments"][0]["url"] == "https://a.example/f"
    assert host.delivered[0]["chat_type"] == "direct"


def test_alarms_long_requests_connections_and_turns(host: FakeHost):
    timers.set_at("t", 5.0, "x")
    timers.set_after("u", 60.0)
    assert host.timers["t"] == (5.0, "x")
    assert host.timers["u"][0] > 60_000
    assert timers.cancel("t")
    assert not timers.cancel("t")
    poll.start("p", "GET", "https://a.example/", payload="y")
    assert host.polls["p"][1] == "y"
    assert poll.stop("p")
    with pytest.raises(HostError, match="no connection"):
        websocket.send("w", "x")
    websocket.open_connection("w", "wss://a.example/", headers={"a": "b"})
    websocket.send("w", "x")
    websocket.send("w", b"x")
    assert host.sockets["w"] == [
        {"tag": "text", "value": "x"},
        {"tag": "base64", "value": "eA=="},
    ]
    assert websocket.close("w")
    assert agent.start("s", "hi", idempotency_key="k") == "run-1"
    assert agent.start("s", "hi", idempotency_key="k") == "run-1"
    assert host.turns == [("s", "hi")]
    host.on("GET", "https://a.example/keys", answer(200, '{"keys": []}'))
    assert crypto.jwks("https://a.example/keys") == {"keys": []}


def test_a_function_that_the_contract_has_not(host: FakeHost):
    with pytest.raises(LookupError, match=r"kv\.gone"):
        host.call("kv", "gone", [])


def test_nobody_answers_outside_of_a_test():
    with pytest.raises(RuntimeError, match="FakeHost"):
        log.info("x")


@pytest.mark.parametrize("method", ["media", "crypto"])
def test_an_error_of_a_server_is_passed_on(host: FakeHost, method: str):
    host.on("GET", "https://a.example/", HostError("timeout", "No answer."))
    ask = {"media": media.fetch, "crypto": crypto.jwks}[method]
    with pytest.raises(HostError, match="No answer"):
        ask("https://a.example/")
