"""A run adds up what its models used."""

from __future__ import annotations

from datetime import UTC, datetime

from carapace.agent.pricing import Price
from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.providers.ports import Provider, Usage
from carapace.agent.usage import RunUsage, UsageLine, add_usage, day_of
from carapace.ids import AgentId, RunId, SessionKey

NOW = datetime(2026, 11, 22, 23, 59, 59, 500_000, tzinfo=UTC)
SESSION = SessionKey("agent:main:main")


def target(name: str, provider: Provider, price: Price | None = None) -> ModelTarget:
    return ModelTarget(name, "m", provider, pricing=price)


class Nobody:
    """Never asked."""

    def stream(self, request: object) -> object:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Holds nothing."""


def test_requests_of_one_model_make_one_line() -> None:
    run = RunUsage()
    nobody: Provider = Nobody()  # type: ignore[assignment]  # only its name matters here
    paid, free = target("paid", nobody, Price(1.0, 2.0)), target("free", nobody)
    assert run.add(paid, Usage(10, 5)) == 20_000
    assert run.add(paid, Usage(1, 1, 2, 3)) == 3_000
    assert run.add(free, Usage(7)) == 0
    first, second = run.lines(
        run_id=RunId("r"), agent_id=AgentId("main"), session_key=SESSION, now=NOW
    )
    assert first == UsageLine(
        run_id=RunId("r"),
        provider="paid",
        model="m",
        day="2026-11-22",
        agent_id=AgentId("main"),
        session_key=SESSION,
        at_ms=1_795_391_999_500,
        requests=2,
        usage=Usage(11, 6, 2, 3),
        cost_nano_usd=23_000,
    )
    assert (second.provider, second.requests) == ("free", 1)
    assert run.total == Usage(18, 6, 2, 3)
    assert run.total_cost_nano_usd == 23_000


def test_usage_adds_kind_by_kind() -> None:
    assert add_usage(Usage(1, 2, 3, 4), Usage(10, 20, 30, 40)) == Usage(11, 22, 33, 44)


def test_a_day_is_the_utc_date() -> None:
    assert day_of(NOW) == "2026-11-22"


def test_answers_without_a_known_price_are_counted() -> None:
    nobody: Provider = Nobody()  # type: ignore[assignment]  # only its name matters here
    used = RunUsage()
    for one in (target("free", nobody, Price()), *[target("unknown", nobody)] * 2):
        used.add(one, Usage(1))
    lines = used.lines(run_id=RunId("r"), agent_id=AgentId("main"), session_key=SESSION, now=NOW)
    assert [(one.provider, one.unpriced_requests) for one in lines] == [("free", 0), ("unknown", 2)]
