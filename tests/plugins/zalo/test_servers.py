"""Our own server of the Bot API answers as Crabline does, and the plugin works with both."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from carapace_zalo.sending import Outgoing
from carapace_zalo.webhook import Post

from support.crabline import Crabline, crabline, crabline_folder
from support.zalo_house import ZaloHouse
from support.zalo_server import ZaloServer

pytestmark = pytest.mark.slow

TIME = "a time"
ID = "an id"


@pytest.fixture(params=["own", "crabline"])
def peer(request, tmp_path) -> Iterator[ZaloServer | Crabline]:
    if request.param == "own":
        with ZaloServer() as server:
            yield server
    else:
        with crabline(crabline_folder(), tmp_path) as running:
            yield running


@pytest.fixture
def peer_house(peer) -> ZaloHouse:
    return ZaloHouse(peer.url, peer.token)


def ask(peer, method: str, token: str | None = None, **fields):
    """One call as anybody could make it: HTTP status and body."""
    parts = urlsplit(peer.url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        body = json.dumps(fields).encode()
        headers = {"Content-Type": "application/json"}
        line.request("POST", f"/bot{token or peer.token}/{method}", body, headers)
        response = line.getresponse()
        return response.status, json.loads(response.read())
    finally:
        line.close()


def shape(value):
    """The value without what differs from call to call."""
    if isinstance(value, dict):
        return {key: _shape_of(key, one) for key, one in value.items()}
    return value


def _shape_of(key: str, value):
    if key in {"date", "updated_at"} and isinstance(value, int) and value > 1e12:
        return TIME
    if key == "message_id" and isinstance(value, str) and value:
        return ID
    if key in {"account_name", "description", "url"}:
        return type(value).__name__
    return shape(value)


# ---- the same questions to both ----


def test_who_it_is(peer):
    assert ask(peer, "getMe")[0] == 200
    assert shape(ask(peer, "getMe")[1]) == {
        "ok": True,
        "result": {
            "id": "1459232241454765289",
            "account_name": "str",
            "account_type": "BASIC",
            "can_join_groups": True,
        },
    }


@pytest.mark.parametrize("fields", [{"text": "x"}, {"chat_id": "c"}, {"chat_id": "c", "text": ""}])
def test_a_text_needs_its_fields(peer, fields):
    status, body = ask(peer, "sendMessage", **fields)
    assert (status, body["ok"], body["error_code"]) == (400, False, 400)


def test_a_text_gets_an_id(peer):
    status, body = ask(peer, "sendMessage", chat_id="c", text="hello")
    assert (status, shape(body)) == (200, {"ok": True, "result": {"date": TIME, "message_id": ID}})


def test_a_photo_gets_an_id(peer):
    status, body = ask(peer, "sendPhoto", chat_id="c", photo="https://a.example/p.png")
    assert (status, shape(body)) == (200, {"ok": True, "result": {"date": TIME, "message_id": ID}})


@pytest.mark.parametrize(("action", "status"), [("typing", 200), ("dancing", 400)])
def test_actions_are_known_or_not(peer, action, status):
    assert ask(peer, "sendChatAction", chat_id="c", action=action)[0] == status


@pytest.mark.parametrize(
    ("method", "token", "status"), [("getMe", "1:x", 401), ("nope", None, 400)]
)
def test_what_is_not_there_is_refused(peer, method, token, status):
    found, body = ask(peer, method, token)
    assert (found, body["ok"], body["error_code"]) == (status, False, status)


def test_a_form_is_read_as_json_is(peer):
    parts = urlsplit(peer.url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    line.request("POST", f"/bot{peer.token}/sendMessage", b"chat_id=c&text=ch%C3%A0o", headers)
    assert line.getresponse().status == 200
    line.close()
    assert peer.called("sendMessage") == [{"chat_id": "c", "text": "chào"}]


def test_nothing_new_is_408(peer):
    status, body = ask(peer, "getUpdates", timeout="0")
    assert (status, body["ok"], body["error_code"]) == (408, False, 408)


def test_an_update_is_told_once(peer):
    peer.write("hello", chat="g1", sender="u1", group=True)
    status, body = ask(peer, "getUpdates", timeout="1")
    assert status == 200
    assert shape(body["result"]) == {
        "event_name": "message.text.received",
        "message": {
            "message_id": ID,
            "from": {"id": "u1", "display_name": "Linh", "is_bot": False},
            "chat": {"id": "g1", "chat_type": "GROUP"},
            "date": TIME,
            "text": "hello",
        },
    }
    assert ask(peer, "getUpdates", timeout="0")[0] == 408


def test_a_second_asker_ends_the_first(peer):
    found: list[int] = []
    first = threading.Thread(target=lambda: found.append(ask(peer, "getUpdates", timeout="10")[0]))
    first.start()
    peer.await_calls("getUpdates", 1)
    ask(peer, "getUpdates", timeout="0")
    first.join()
    assert found == [409]


def test_a_webhook_and_asking_exclude_each_other(peer):
    where = {"url": "http://127.0.0.1:9/hook", "secret_token": "0123456789"}
    status, body = ask(peer, "setWebhook", **where)
    assert (status, shape(body)) == (
        200,
        {"ok": True, "result": {"updated_at": TIME, "url": "str"}},
    )
    assert ask(peer, "getUpdates", timeout="0")[0] == 400
    assert ask(peer, "getWebhookInfo")[1]["result"]["url"] == where["url"]
    assert ask(peer, "deleteWebhook")[0] == 200
    assert ask(peer, "getUpdates", timeout="0")[0] == 408
    assert ask(peer, "setWebhook", url=where["url"])[0] == 400


# ---- the plugin with both ----


def test_the_plugin_asks_answers_and_types(peer, peer_house):
    peer_house.start()
    peer.write("xin chào 😀", chat="c9", sender="u1")
    peer_house.poll()
    [message] = peer_house.inbox
    assert (message.text, message.conversation_id, message.is_group) == ("xin chào 😀", "c9", False)
    sending = peer_house.plugin.sending
    sending.typing("default", "c9")
    peer_house.files = {"cat": "image/png"}
    for outcome in (
        sending.text(_outgoing("chào bạn")),
        sending.photos(_outgoing("a cat", media=("cat",))),
    ):
        assert outcome.message_id
    assert peer.called("sendMessage") == [{"chat_id": "c9", "text": "chào bạn"}]
    assert [one["caption"] for one in peer.called("sendPhoto")] == ["a cat"]
    assert peer.called("sendChatAction") == [{"chat_id": "c9", "action": "typing"}]


def _outgoing(text: str, **more):
    return Outgoing(account="default", conversation_id="c9", text=text, **more)


def test_the_plugin_listens_at_its_webhook(peer, peer_house):
    with _door(peer_house) as url:
        peer_house.start(webhookUrl=url)
        peer.write("by post", sender="u1")
        assert [one.text for one in peer_house.inbox] == ["by post"]
        peer_house.plugin.stop("default")
    assert ask(peer, "getWebhookInfo")[1]["result"]["url"] == ""


class _door:  # noqa: N801 - reads as a function where it is used
    """The gateway's public address for the plugin's webhook."""

    def __init__(self, house: ZaloHouse) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                post = Post(method="POST", path=self.path, headers=headers, body=body)
                reply = house.plugin.handle(post)
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(reply.text)))
                self.end_headers()
                self.wfile.write(reply.text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
                """Not to the terminal."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


# ---- the vendor's own library ----

_SDK = """
import asyncio, sys
from zalo_bot import Bot
async def main(url, token):
    bot = Bot(token, base_url=url)
    await bot.get_me()
    await bot.get_update(timeout=30)
    await bot.send_message("c9", "chào bạn 😀")
    await bot.send_photo("c9", "a cat", "https://gateway.example/media/cat-1")
    await bot.send_chat_action("c9", "typing")
    await bot._set_webhook_async("http://127.0.0.1:9/hook", sys.argv[3])
    await bot._delete_webhook_async()
asyncio.run(main(*sys.argv[1:3]))
"""


def _sdk_python() -> Path:
    named = os.environ.get("CARAPACE_ZALO_SDK")
    if not named:
        pytest.skip(
            "the vendor's library is not here: install python-zalo-bot 0.1.9 into an environment "
            "of its own and set CARAPACE_ZALO_SDK to its Python"
        )
    return Path(named)


def test_requests_are_equal_to_those_of_the_vendors_library(zalo, house):
    program = _sdk_python()
    zalo.write("for the library")
    subprocess.run(
        [program, "-c", _SDK, zalo.url, zalo.token, house.webhook_secret],
        check=True,
        capture_output=True,
        timeout=60,
    )
    theirs = {one.method: _read_fields(one.fields) for one in zalo.calls}
    zalo.calls.clear()
    house.start()
    zalo.write("for the plugin")
    house.poll()
    house.files = {"cat": "image/png"}
    sending = house.plugin.sending
    sending.text(_outgoing("chào bạn 😀"))
    sending.photos(_outgoing("a cat", media=("cat",)))
    sending.typing("default", "c9")
    house.start(webhookUrl="http://127.0.0.1:9/hook")
    house.plugin.stop("default")
    ours = {one.method: _read_fields(one.fields) for one in zalo.calls}
    assert ours == theirs


def _read_fields(fields):
    """What a server reads of it: the library sends forms, in which everything is text."""
    return {key: str(value) for key, value in fields.items()}
