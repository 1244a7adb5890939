"""Advisory rows of group K: what a network says of itself decides nothing here.

The gateway announces itself and listens to nobody's announcement; a name is what the machine's own
resolver says, and whoever answers under it has to hold its certificate.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from carapace.cli.websocket import WebSocket, WebSocketError
from carapace.config.load import Overrides, load
from carapace.config.reader import DiskReader
from carapace.net.discovery import SERVICE_TYPES
from carapace.net.policy import EgressCaller, EgressPolicy
from support.authority import shared_authority
from support.command import Command
from support.egress import LoopbackDialler, NameTable, make_egress
from support.tcp_peer import tcp_peer

SOURCE = Path(__file__).resolve().parents[2] / "src" / "carapace"
ANNOUNCES = {"ServiceInfo", "AsyncZeroconf", "Error", "IPVersion"}
"""All that is needed to announce; what looks for others has other names."""
CONFIG = "{gateway: {mode: 'remote', remote: {url: 'ws://127.0.0.1:1', token: 'canary-token'}}}"


class Listener:
    """A port of this machine that notes whoever connects."""

    def __init__(self, server: socket.socket) -> None:
        self.port = int(server.getsockname()[1])
        self.visits = 0
        self.heard = bytearray()
        self._server = server

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._server.accept()
                self.visits += 1
                with peer, contextlib.suppress(OSError):
                    peer.settimeout(2)
                    self.heard += peer.recv(4_096)


@pytest.fixture
def evil() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = Listener(server)
        thread = threading.Thread(target=one.serve)
        thread.start()
        yield one
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.slow
async def test_adv_k01_a_spoofed_announcement_moves_no_client_and_no_setting(
    evil: Listener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """While somebody announces a gateway, the command line asks the one that it was told of."""
    cara = Command(tmp_path, monkeypatch, capsys)
    cara.write_config(CONFIG)
    texts = {
        "role": "gateway",
        "lanHost": "127.0.0.1",
        "gatewayPort": str(evil.port),
        "gatewayTls": "1",
        "gatewayTlsSha256": "ab" * 32,
    }
    spoofing = AsyncZeroconf(interfaces=["127.0.0.1"])
    try:
        kind = SERVICE_TYPES[0]
        info = ServiceInfo(
            f"{kind}.local.",
            f"Gateway.{kind}.local.",
            port=evil.port,
            properties=texts,
            addresses=[socket.inet_aton("127.0.0.1")],
        )
        await spoofing.async_register_service(info)
        for words in (("status",), ("health",), ("doctor",)):
            done = await asyncio.to_thread(cara, *words)
            assert str(evil.port) not in done.out + done.err
    finally:
        await spoofing.async_unregister_all_services()
        await spoofing.async_close()
    assert evil.visits == 0
    assert cara.config.read_text() == CONFIG


@pytest.mark.slow
def test_adv_k01_nothing_of_ours_looks_for_announcements():
    imported: set[str] = set()
    users: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "zeroconf" in text else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zeroconf"):
                imported |= {one.name for one in node.names}
                users.add(path.relative_to(SOURCE).as_posix())
            elif isinstance(node, ast.Import):
                assert not any(one.name.startswith("zeroconf") for one in node.names), path
    assert users == {"net/discovery.py"}
    assert imported <= ANNOUNCES


async def test_adv_k02_who_answers_under_a_name_has_to_hold_its_certificate(tmp_path: Path):
    """A resolver that lies leads to a server of another name: nothing is said to it."""
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4_096))
        writer.close()

    async with tcp_peer(listen, tls=shared_authority().server("other.test")) as port:
        names = NameTable(good_test=[["93.184.216.34"]])
        egress, trail = make_egress(tmp_path, names=names, dialler=LoopbackDialler(port))
        caller = EgressCaller("x", EgressPolicy())
        async with egress.http_client(caller) as http:
            with pytest.raises(Exception, match="certificate"):
                await http.get("https://good.test/", headers={"Authorization": "canary"})
        trail.audit.close()
    assert heard == b""


def test_adv_k02_the_command_line_sends_nothing_to_an_unproven_server(evil: Listener):
    """A peer that is no TLS server of that name gets a greeting of TLS and no credential."""
    with pytest.raises(WebSocketError):
        WebSocket.connect(f"wss://localhost:{evil.port}/", timeout_s=0.2)
    assert b"Authorization" not in evil.heard
    assert b"GET /" not in evil.heard
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


def test_adv_k02_no_setting_makes_a_peer_the_authority_for_names(tmp_path: Path):
    """`discovery.wideArea` of the Node gateway is named in a warning, and is no setting here."""
    path = tmp_path / "carapace.json"
    path.write_text("{discovery: {wideArea: {enabled: true, domain: 'evil.test'}}}")
    loaded = load(path, DiskReader(), Overrides({}))
    assert loaded.settings is not None
    assert not hasattr(loaded.settings.discovery, "wide_area")
    (warning,) = loaded.warnings
    assert warning.path == "discovery.wideArea"
    assert "has no effect here" in warning.message
    resolver = ast.parse((SOURCE / "net" / "resolve.py").read_text("utf-8"))
    called = {node.attr for node in ast.walk(resolver) if isinstance(node, ast.Attribute)}
    assert "getaddrinfo" in called
