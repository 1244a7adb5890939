from __future__ import annotations

import asyncio
import ssl

import httpcore2
import pytest

from carapace.net.tcp import TcpBackend
from carapace.net.tls import TlsStream
from support.authority import shared_authority
from support.tcp_peer import echo, tcp_peer


def peer(serve=echo):
    """A server of `host.test` on loopback."""
    return tcp_peer(serve, tls=shared_authority().server("host.test"))


async def connect(port, name="host.test", trust=None, timeout_s=5.0):
    stream = await TcpBackend().connect_tcp("127.0.0.1", port, timeout=5)
    return await stream.start_tls(trust or shared_authority().trust(), name, timeout_s)


async def test_bytes_go_out_and_come_back_encrypted():
    async with peer() as port:
        stream = await connect(port)
        await stream.write(b"")
        for size in (5, 100_000):
            await stream.write(bytes(size), timeout=5)
            left = size
            while left:
                left -= len(await stream.read(1000, timeout=5))
        assert stream.get_extra_info("ssl_object").version().startswith("TLSv1")
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
        await stream.aclose()


async def test_another_name_or_an_unknown_authority_is_refused():
    async with peer() as port:
        with pytest.raises(httpcore2.ConnectError, match="Hostname mismatch"):
            await connect(port, "other.test")
        with pytest.raises(httpcore2.ConnectError, match="certificate verify failed"):
            await connect(port, trust=ssl.create_default_context())


async def test_a_peer_without_tls_is_refused_and_a_silent_one_times_out():
    async def silent(_reader, _writer):
        await asyncio.Event().wait()

    async with tcp_peer() as port:
        with pytest.raises(httpcore2.ConnectError):
            await connect(port)
    async with tcp_peer(silent) as port:
        with pytest.raises(httpcore2.ConnectTimeout):
            await connect(port, timeout_s=0.02)


async def test_the_end_with_and_without_goodbye_is_an_end():
    async def polite(reader, writer):
        await reader.read(10)
        writer.close()
        await writer.wait_closed()

    async def rude(reader, writer):
        await reader.read(10)
        writer.transport.abort()

    for serve in (polite, rude):
        async with peer(serve) as port:
            stream = await connect(port)
            await stream.write(b"bye")
            assert await stream.read(10, timeout=5) == b""
            await stream.aclose()


async def test_silence_is_a_read_timeout_and_no_end():
    async with peer() as port:
        stream = await connect(port)
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(10, timeout=0.01)
        await stream.write(b"still there")
        assert await stream.read(100, timeout=5) == b"still there"
        await stream.aclose()


class Garbling(httpcore2.AsyncNetworkStream):
    """Changes a byte of what comes, as somebody on the way would."""

    def __init__(self, inner):
        self.inner = inner
        self.is_on = False

    async def read(self, max_bytes, timeout=None):  # noqa: ASYNC109 - the library's own
        data = await self.inner.read(max_bytes, timeout)
        return data[:-1] + bytes([data[-1] ^ 1]) if self.is_on and data else data

    async def write(self, buffer, timeout=None):  # noqa: ASYNC109 - the library's own
        await self.inner.write(buffer, timeout)

    async def aclose(self):
        await self.inner.aclose()


async def test_what_was_changed_on_the_way_is_an_error():
    async with peer() as port:
        inner = Garbling(await TcpBackend().connect_tcp("127.0.0.1", port, timeout=5))
        stream = await TlsStream.over(inner, shared_authority().trust(), "host.test", 5)
        inner.is_on = True
        await stream.write(b"hello")
        with pytest.raises(httpcore2.ReadError):
            await stream.read(10, timeout=5)
        await stream.aclose()


async def test_tls_within_tls():
    async with peer() as inside:

        async def tunnel(reader, writer):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", inside)

            async def pass_on(source, sink):
                while data := await source.read(65536):
                    sink.write(data)

            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(pass_on(reader, far_writer))
                    both.create_task(pass_on(far_reader, writer))
            finally:
                far_writer.transport.abort()

        async with peer(tunnel) as port:
            outer = await connect(port)
            stream = await outer.start_tls(shared_authority().trust(), "host.test", 5)
            await stream.write(b"deep inside")
            assert await stream.read(100, timeout=5) == b"deep inside"
            await stream.aclose()
