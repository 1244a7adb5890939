"""`mcp.servers`: fenced in, without a network, and asked about, unless somebody says otherwise."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.mcp import McpServer, McpSettings


def test_a_server_is_trusted_with_nothing_by_itself():
    server = McpServer(command="x")
    assert (server.risk, server.sandbox, server.network) == ("dangerous", "required", False)
    assert (server.read_only, server.tools) == ((), None)
    assert McpSettings().servers == {}


@pytest.mark.parametrize(
    "text",
    [
        '{"risk":"write"}',
        '{"sandbox":"maybe"}',
        '{"timeoutMs":1}',
        '{"cwd":"relative"}',
        '{"readPaths":["/a:/b"]}',
        '{"writePaths":["a"]}',
        '{"args":[1]}',
    ],
)
def test_what_makes_no_sense_is_refused(text: str):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=McpServer)
