"""Names of tools are short, small, and of one server each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.agent.mcp.names import server_label, tool_name


def test_a_plain_name_stays_as_it_is():
    assert tool_name("files", "read_file") == "mcp_files_read_file"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b_c"), ("a_b", "c")),  # where the server ends is never in doubt
        (("x", "Delete"), ("x", "delete")),  # lists of tools compare small letters
        (("x", "a b"), ("x", "a-b")),
        (("X", "a"), ("x", "a")),
        (("x", "y" * 80), ("x", "y" * 81)),
    ],
)
def test_different_tools_have_different_names(one: tuple[str, str], other: tuple[str, str]):
    assert tool_name(*one) != tool_name(*other)


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=200))
def test_every_name_can_be_given_to_every_vendor(server: str, tool: str):
    name = tool_name(server, tool)
    assert len(name) <= 64
    assert name.startswith(f"mcp_{server_label(server)}_")
    assert "_" not in server_label(server)
    assert name.isascii()
    assert name == name.lower()
    assert name.replace("-", "").replace("_", "").isalnum()
