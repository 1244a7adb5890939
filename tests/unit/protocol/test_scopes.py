"""One rule says what a caller may do."""

from __future__ import annotations

import pytest

from carapace.protocol.scopes import Scope, allows, effective


def test_admin_implies_everything():
    assert effective(["operator.admin"]) == frozenset(Scope)


def test_write_implies_read_and_nothing_else():
    assert effective(["operator.write"]) == {Scope.WRITE, Scope.READ}


@pytest.mark.parametrize("scope", [Scope.READ, Scope.APPROVALS, Scope.PAIRING])
def test_the_others_imply_only_themselves(scope):
    assert effective([scope]) == {scope}


def test_unknown_names_count_for_nothing():
    assert effective(["operator.everything", "admin", ""]) == frozenset()


def test_allows_looks_into_the_effective_set():
    granted = effective(["operator.write"])
    assert allows(granted, Scope.READ)
    assert not allows(granted, Scope.ADMIN)
