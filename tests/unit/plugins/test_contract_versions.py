"""A gateway runs what was built against its contract, an older minor one, or the major before."""

from __future__ import annotations

import pytest

from carapace.plugins.contract_versions import SPOKEN, ContractVersions
from carapace.plugins.sdk.contract import contract

NEWER = "update the gateway"
OLDER = "take a newer version of the plugin"
NONE = "names the version"


@pytest.mark.parametrize(
    ("spoken", "version", "objection"),
    [
        (ContractVersions((1, 0)), (1, 0, 0), None),
        (ContractVersions((1, 0)), (1, 0, 7), None),
        (ContractVersions((1, 0)), (1, 0), None),
        (ContractVersions((1, 0)), (1, 1, 0), NEWER),
        (ContractVersions((1, 0)), (2, 0, 0), NEWER),
        (ContractVersions((1, 0)), (0, 9, 0), OLDER),
        (ContractVersions((1, 0)), (1,), NONE),
        (ContractVersions((1, 0)), (), NONE),
        (ContractVersions((1, 1)), (1, 0, 0), None),
        (ContractVersions((1, 1)), (1, 2, 0), NEWER),
        (ContractVersions((2, 0), (1, 3)), (2, 0, 0), None),
        (ContractVersions((2, 0), (1, 3)), (1, 0, 0), None),
        (ContractVersions((2, 0), (1, 3)), (1, 3, 0), None),
        (ContractVersions((2, 0), (1, 3)), (1, 4, 0), NEWER),
        (ContractVersions((2, 0), (1, 3)), (0, 9, 0), OLDER),
        (ContractVersions((3, 0), (2, 1)), (1, 3, 0), OLDER),
        (ContractVersions((3, 0), (2, 1)), (4, 0, 0), NEWER),
    ],
)
def test_a_version_is_spoken_or_refused_with_what_helps(spoken, version, objection):
    found = spoken.objection(version)
    if objection is None:
        assert found is None
    else:
        assert objection in found
        assert f"this gateway speaks version {spoken} of the contract" in found


def test_versions_are_written_as_people_do():
    assert str(ContractVersions((2, 0), (1, 3))) == "2.0 and 1.3"
    assert ContractVersions((2, 0), (1, 3)).newest_text == "2.0"


def test_what_is_spoken_is_the_contract_of_the_repository():
    assert contract().version.startswith(f"{SPOKEN.newest_text}.")
