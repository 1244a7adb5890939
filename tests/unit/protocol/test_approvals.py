"""The approvals document is taken as clients write it, and nothing else is."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.approvals import ApprovalsFile, ApprovalsReplace


@pytest.mark.parametrize(
    "text",
    [
        '{"version":2}',
        '{"version":1,"surprise":true}',
        '{"version":1,"defaults":{"security":"some"}}',
        '{"version":1,"agents":{"main":{"allowlist":[{"id":"a"}]}}}',
        '{"version":1,"agents":{"main":{"allowlist":[{"pattern":"a","also":1}]}}}',
    ],
)
def test_what_does_not_fit_the_document_is_refused(text: str):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=ApprovalsFile)


def test_every_field_of_the_node_gateways_file_is_taken():
    text = """{"file":{"version":1,"socket":{"path":"/s","token":"t"},
        "defaults":{"security":"full","ask":"off","askFallback":"deny","autoAllowSkills":true},
        "agents":{"main":{"security":"deny","allowlist":[{"pattern":"/bin/ls","id":"i",
        "lastUsedAt":1,"lastUsedCommand":"ls","lastResolvedPath":"/bin/ls"}]}}},"baseHash":"h"}"""
    taken = msgspec.json.decode(text, type=ApprovalsReplace)
    assert taken.file.agents["main"].allowlist[0].last_used_at == 1
    assert msgspec.to_builtins(taken.file)["version"] == 1
