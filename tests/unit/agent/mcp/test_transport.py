"""Both ways to a server carry messages, and say why they are over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification

from carapace.agent.mcp import lines
from carapace.agent.mcp.program import Place
from carapace.agent.mcp.transport import http_policy, http_streams, program_streams
from carapace.config.settings.mcp import McpServer
from carapace.confine import can_fence
from carapace.errors import Refused
from carapace.net.url import InvalidUrl
from support.egress import make_egress

fenced = pytest.mark.skipif(not can_fence(), reason="needs Landlock and seccomp")
HELLO = SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="hello"))


def shell(tmp_path: Path, script: str, lost: list[str]) -> Any:
    settings = McpServer(command="sh", args=("-c", script))
    return program_streams(settings, Place(tmp_path / "own", {}), print, lost.append)


@fenced
@pytest.mark.slow
async def test_messages_go_to_a_program_and_come_from_it(tmp_path: Path):
    lost: list[str] = []
    async with shell(tmp_path, "echo noise; head -n 1", lost) as (read, write), read, write:
        await write.send(HELLO)
        found = [item async for item in read]
    assert isinstance(found[0], ValueError)  # a line that is no message ends nothing
    assert found[1].message.method == "hello"
    assert lost == ["it ended with code 0; see the log for what it wrote"]


@fenced
@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("cat /dev/zero | tr '\\0' x", "more than"),
        ('while true; do echo \'{"jsonrpc":"2.0","method":"x"}\'; done', "never stopped"),
    ],
)
async def test_a_program_that_never_stops_writing_is_ended(
    tmp_path: Path, script: str, word: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lines, "MAX_UNASKED_LINES", 50)
    lost: list[str] = []
    async with shell(tmp_path, script, lost) as (read, _):
        assert len([item async for item in read]) <= 50
    assert word in lost[0]


@fenced
@pytest.mark.slow
async def test_a_program_that_hears_nothing_any_more_is_lost(tmp_path: Path):
    lost: list[str] = []
    async with shell(tmp_path, "exit 3", lost) as (read, write):
        assert [item async for item in read] == []
        await write.send(HELLO)  # into the void: nobody who waits is forgotten
        await write.send(HELLO)
    assert "code 3" in lost[0]


def test_an_address_leads_to_its_own_host_alone():
    policy = http_policy("https://mcp.example/mcp")
    assert policy.only_hosts == {("mcp.example", 443)}
    assert policy.allow_hosts == frozenset()
    assert not policy.allow_http


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "192.168.1.4"])
def test_an_address_that_names_this_network_means_it(host: str):
    policy = http_policy(f"http://{host}:8123/mcp")
    assert policy.only_hosts == policy.allow_hosts == {(host, 8123)}


def test_the_operator_has_the_last_word_about_that():
    named = http_policy("http://nas.home:8123/mcp", allow_private=True)
    assert named.allow_hosts == {("nas.home", 8123)}
    shut = http_policy("http://127.0.0.1:8123/mcp", allow_private=False)
    assert (shut.allow_hosts, shut.allow_http) == (frozenset(), False)


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://a@b/"])
async def test_what_is_no_address_is_refused(url: str, tmp_path: Path):
    with pytest.raises(InvalidUrl):
        http_policy(url)
    with pytest.raises(Refused, match="its url cannot be used"):
        async with http_streams("x", McpServer(url=url), make_egress(tmp_path)[0]):
            pass
