"""The small client speaks RFC 6455, and refuses what does not."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from collections.abc import Callable

import pytest

from carapace.cli.websocket import Closed, WebSocket, WebSocketError

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Script = Callable[[socket.socket], None]


def head_of(peer: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += peer.recv(4096)
    return data


def accept(peer: socket.socket, extra: bytes = b"") -> None:
    key = next(
        line.split(b": ")[1]
        for line in head_of(peer).split(b"\r\n")
        if line.startswith(b"Sec-WebSocket-Key")
    )
    token = base64.b64encode(hashlib.sha1(key + GUID.encode()).digest())  # noqa: S324 - RFC 6455
    peer.sendall(
        b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n"
        b"sec-websocket-accept: " + token + b"\r\n\r\n" + extra
    )


def frame_from(peer: socket.socket) -> tuple[int, bytes]:
    first, second = peer.recv(2, socket.MSG_WAITALL)
    size = second & 0x7F
    if size > 125:
        size = int.from_bytes(peer.recv(2 if size == 126 else 8, socket.MSG_WAITALL), "big")
    mask = peer.recv(4, socket.MSG_WAITALL)
    data = peer.recv(size, socket.MSG_WAITALL) if size else b""
    return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


@pytest.fixture
def serve():
    """Run a scripted peer; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    errors: list[BaseException] = []

    def start(script: Script) -> str:
        def main() -> None:
            try:
                peer, _ = listener.accept()
                with peer:
                    script(peer)
            except BaseException as error:  # noqa: BLE001 - shown by the fixture
                errors.append(error)

        threads.append(threading.Thread(target=main))
        threads[-1].start()
        return f"ws://127.0.0.1:{listener.getsockname()[1]}/x?y=1"

    yield start
    for thread in threads:
        thread.join(5)
    listener.close()
    assert not errors


def test_messages_of_every_length_go_both_ways(serve):
    sizes = (0, 5, 125, 126, 65_535, 65_536, 200_000)

    def echo(peer: socket.socket) -> None:
        accept(peer)
        for _ in sizes:
            opcode, data = frame_from(peer)
            assert opcode == 1
            head = bytes([0x81, 127]) + len(data).to_bytes(8, "big")
            peer.sendall(head + data)
        assert frame_from(peer) == (8, b"\x03\xe8")

    client = WebSocket.connect(serve(echo), timeout_s=5)
    for size in sizes:
        client.send("é"[:size] + "x" * max(0, size - 1))
        assert len(client.receive(5)) == size
    client.close()
    client.close()


def test_what_came_with_the_upgrade_is_not_lost(serve):
    client = WebSocket.connect(serve(lambda peer: accept(peer, b"\x81\x02hi")), timeout_s=5)
    assert client.receive(5) == "hi"
    client.close()


def test_pings_are_answered_and_fragments_joined(serve):
    def script(peer: socket.socket) -> None:
        accept(peer)
        peer.sendall(b"\x01\x02he" + b"\x89\x02ok" + b"\x8a\x00" + b"\x80\x03llo")
        assert frame_from(peer) == (10, b"ok")

    client = WebSocket.connect(serve(script), timeout_s=5)
    assert client.receive(5) == "hello"
    client.close()


def test_silence_is_a_timeout_that_loses_nothing(serve):
    go = threading.Event()

    def script(peer: socket.socket) -> None:
        accept(peer)
        peer.sendall(b"\x81\x05hel")
        go.wait(5)
        peer.sendall(b"lo")

    client = WebSocket.connect(serve(script), timeout_s=5)
    with pytest.raises(TimeoutError):
        client.receive(0.05)
    with pytest.raises(TimeoutError):
        client.receive(0)
    go.set()
    assert client.receive(5) == "hello"
    client.close()


def test_a_close_carries_its_code_and_reason(serve):
    def script(peer: socket.socket) -> None:
        accept(peer)
        peer.sendall(b"\x88\x0d\x03\xf0unauthorized"[:15])
        assert frame_from(peer)[0] == 8

    client = WebSocket.connect(serve(script), timeout_s=5)
    with pytest.raises(Closed, match="closed with 1008: unauthorize") as caught:
        client.receive(5)
    assert caught.value.code == 1008


def test_a_close_without_a_code_is_1005(serve):
    client = WebSocket.connect(serve(lambda peer: accept(peer, b"\x88\x00")), timeout_s=5)
    with pytest.raises(Closed) as caught:
        client.receive(5)
    assert (caught.value.code, caught.value.reason) == (1005, "")


def test_a_peer_that_vanishes_is_1006(serve):
    client = WebSocket.connect(serve(accept), timeout_s=5)
    with pytest.raises(Closed) as caught:
        client.receive(5)
    assert caught.value.code == 1006
    client.close()
    with pytest.raises(Closed):
        client.send("x")


@pytest.mark.parametrize("frame", [b"\xc1\x00", b"\x81\x80", b"\x81\x7f" + b"\x7f" + b"\xff" * 7])
def test_a_peer_that_breaks_the_protocol_is_refused(serve, frame: bytes):
    client = WebSocket.connect(serve(lambda peer: accept(peer, frame)), timeout_s=5)
    with pytest.raises(WebSocketError):
        client.receive(5)
    client.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refused: 403 Forbidden"),
        (b"HTTP/1.1 101 Ok\r\nSec-WebSocket-Accept: no\r\n\r\n", "not a WebSocket server"),
        (b"SSH-2.0-x\r\n", "not a gateway"),
        (b"x" * 40_000, "not a gateway"),
    ],
)
def test_another_server_is_told_apart(serve, answer: bytes, said: str):
    def script(peer: socket.socket) -> None:
        head_of(peer)
        peer.sendall(answer)

    with pytest.raises(WebSocketError, match=said):
        WebSocket.connect(serve(script), timeout_s=5)


def test_a_peer_that_says_nothing_is_given_up(serve):
    done = threading.Event()
    url = serve(lambda _peer: done.wait(5))
    with pytest.raises(WebSocketError):
        WebSocket.connect(url, timeout_s=0.05)
    done.set()


@pytest.mark.parametrize("url", ["http://x/", "ws://", "nonsense"])
def test_other_addresses_are_refused(url: str):
    with pytest.raises(WebSocketError, match="not a WebSocket address"):
        WebSocket.connect(url, timeout_s=1)


def test_nobody_there_is_said():
    with pytest.raises(WebSocketError):
        WebSocket.connect("ws://127.0.0.1:9", timeout_s=1)


def test_a_plain_server_behind_wss_is_refused(serve):
    url = serve(lambda peer: peer.sendall(b"plain")).replace("ws:", "wss:")
    with pytest.raises(WebSocketError):
        WebSocket.connect(url, timeout_s=5)
