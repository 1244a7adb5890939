from __future__ import annotations

import asyncio
import socket

import httpcore2
import pytest

from carapace.net.tcp import TcpBackend
from support.polling import until
from support.tcp_peer import tcp_peer


async def connect(port):
    return await TcpBackend().connect_tcp("127.0.0.1", port, timeout=5)


async def test_bytes_go_out_and_come_back():
    async with tcp_peer() as port:
        stream = await connect(port)
        await stream.write(b"")
        await stream.write(b"hello", timeout=5)
        assert await stream.read(3, timeout=5) == b"hel"
        assert stream.get_extra_info("is_readable") is True
        assert await stream.read(100, timeout=5) == b"lo"
        assert stream.get_extra_info("is_readable") is False
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
        assert stream.get_extra_info("ssl_object") is None
        await stream.aclose()


async def test_a_head_and_its_body_leave_together():
    pieces = []

    async def serve(reader, writer):
        pieces.append(await reader.read(1000))

    async with tcp_peer(serve) as port:
        stream = await connect(port)
        await stream.write(b"head ")
        await stream.write(b"body")
        assert await stream.read(10, timeout=5) == b""
        await stream.aclose()
    assert pieces == [b"head body"]


async def test_what_is_written_leaves_though_nobody_reads():
    came = asyncio.Event()

    async def serve(reader, writer):
        if await reader.read(1000) == b"ping":
            came.set()

    async with tcp_peer(serve) as port:
        stream = await connect(port)
        await stream.write(b"ping")
        async with asyncio.timeout(5):
            await came.wait()
        await stream.aclose()


async def test_silence_is_a_read_timeout_and_no_end():
    async with tcp_peer() as port:
        stream = await connect(port)
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(10, timeout=0.01)
        await stream.write(b"still there")
        assert await stream.read(100, timeout=5) == b"still there"
        await stream.aclose()


async def test_a_reset_is_a_read_error_after_what_came_before_it():
    async def serve(reader, writer):
        await reader.read(10)
        writer.write(b"part")
        await writer.drain()
        await reader.read(10)
        sock = writer.get_extra_info("socket")
        linger = (1).to_bytes(4, "little") + bytes(4)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with tcp_peer(serve) as port:
        stream = await connect(port)
        await stream.write(b"a")
        assert await stream.read(10, timeout=5) == b"part"
        await stream.write(b"b")
        with pytest.raises(httpcore2.ReadError):
            await stream.read(10, timeout=5)
        with pytest.raises(httpcore2.WriteError):
            await stream.write(b"c")
        await stream.aclose()


async def flood(stream):
    for _ in range(1000):
        await stream.write(bytes(1024 * 1024), timeout=0.05)


async def test_a_peer_that_takes_nothing_is_a_write_timeout():
    async def serve(_reader, _writer):
        await asyncio.Event().wait()

    async with tcp_peer(serve) as port:
        stream = await connect(port)
        with pytest.raises(httpcore2.WriteTimeout):
            await flood(stream)
        await stream.aclose()


async def test_the_peers_end_is_seen_on_an_idle_connection():
    async def serve(_reader, writer):
        writer.write_eof()
        await asyncio.Event().wait()

    async with tcp_peer(serve) as port:
        stream = await connect(port)
        await until(lambda: stream.get_extra_info("is_readable"), deadline_s=5)
        assert await stream.read(10, timeout=5) == b""
        await stream.aclose()


async def test_nobody_there_is_a_connect_error():
    async with tcp_peer() as port:
        pass
    with pytest.raises(httpcore2.ConnectError):
        await connect(port)


async def test_options_and_the_local_address_are_used():
    async with tcp_peer() as port:
        options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        stream = await TcpBackend().connect_tcp(
            "127.0.0.1", port, local_address="127.0.0.1", socket_options=options
        )
        sock = stream.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert stream.get_extra_info("client_addr")[0] == "127.0.0.1"
        await stream.aclose()


async def test_a_socket_of_this_machine(tmp_path):
    path = str(tmp_path / "daemon")
    async with tcp_peer(path=path):
        stream = await TcpBackend().connect_unix_socket(path, timeout=5)
        await stream.write(b"hello")
        assert await stream.read(10, timeout=5) == b"hello"
        await stream.aclose()
    with pytest.raises(httpcore2.ConnectError):
        await TcpBackend().connect_unix_socket(str(tmp_path / "nothing"), timeout=5)


async def test_sleep_waits():
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await TcpBackend().sleep(0.01)
    assert loop.time() - began_s >= 0.009
