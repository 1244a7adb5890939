"""A failing model rests, longer each time, and a success ends it."""

from __future__ import annotations

import pytest

from carapace.agent.providers.cooling import Cooling
from carapace.agent.providers.ports import ProviderError, ProviderFault


def error(fault: ProviderFault, retry_after_s: float | None = None) -> ProviderError:
    return ProviderError(fault, "x", retry_after_s=retry_after_s)


def test_each_failure_in_a_row_doubles_the_rest_up_to_a_quarter_of_an_hour() -> None:
    cooling = Cooling()
    rests: list[float] = []
    for _ in range(12):
        cooling.failed(error(ProviderFault.OVERLOADED), now_s=100.0)
        rests.append(cooling.until_s - 100.0)
    assert rests[:4] == [15.0, 30.0, 60.0, 120.0]
    assert rests[-1] == 900.0
    assert cooling.is_cooling(999.0)
    assert not cooling.is_cooling(1_000.0)


def test_what_the_server_asked_for_is_kept() -> None:
    cooling = Cooling()
    cooling.failed(error(ProviderFault.RATE_LIMIT, 7.0), now_s=1.0)
    assert cooling.until_s == 8.0
    assert cooling.asked_wait_s(3.0) == 5.0
    assert cooling.asked_wait_s(9.0) == 0.0


def test_a_success_ends_the_rest() -> None:
    cooling = Cooling()
    cooling.failed(error(ProviderFault.AUTH), now_s=1.0)
    cooling.succeeded()
    assert not cooling.is_cooling(1.0)
    cooling.failed(error(ProviderFault.OVERLOADED), now_s=1.0)
    assert cooling.until_s == 16.0


@pytest.mark.parametrize(
    "fault", [ProviderFault.BAD_REQUEST, ProviderFault.CONTEXT, ProviderFault.BROKEN]
)
def test_faults_of_the_request_cost_the_model_no_rest(fault: ProviderFault) -> None:
    cooling = Cooling()
    cooling.failed(error(fault), now_s=1.0)
    assert not cooling.is_cooling(1.0)
