"""Lists of tools, as they are written."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.tool_lists import AgentTools, ProviderTools, SubagentTools, ToolList
from carapace.config.settings.tools import ToolsSettings


def test_without_a_list_nothing_is_taken_away():
    assert (ToolList().allow, ToolList().deny) == ((), ())
    assert AgentTools().profile is None
    assert SubagentTools().tools == ToolList()


def test_the_keys_are_those_of_the_node_gateway():
    text = b'{"profile": "coding", "allow": ["group:fs"], "deny": ["exec"]}'
    found = msgspec.json.decode(text, type=AgentTools)
    assert found == AgentTools(profile="coding", allow=("group:fs",), deny=("exec",))


@pytest.mark.parametrize("text", [b'{"allow": [""]}', b'{"profile": "some"}', b'{"deny": [1]}'])
def test_what_is_no_name_is_refused(text: bytes):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=AgentTools)


def test_a_provider_has_lists_and_a_profile_at_tools_and_at_an_agent():
    text = b'{"byProvider": {"openai/gpt": {"profile": "minimal", "deny": ["exec"]}}}'
    found = msgspec.json.decode(text, type=AgentTools).by_provider["openai/gpt"]
    assert found == ProviderTools(profile="minimal", deny=("exec",))
    assert msgspec.json.decode(text, type=ToolsSettings).by_provider == {"openai/gpt": found}
