"""Each error says whether trying again can help."""

from __future__ import annotations

import pytest

from carapace.errors import Failed
from carapace.store import errors


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_a_failure_that_says_if_it_may_be_retried(name: str):
    kind: type[Failed] = getattr(errors, name)
    raised = kind("what happened, and the next step")
    assert isinstance(raised, Failed)
    assert raised.retryable is (name in ("DatabaseBusy", "DatabaseClosed", "WriteLost"))
    assert raised.code == "UNAVAILABLE"
