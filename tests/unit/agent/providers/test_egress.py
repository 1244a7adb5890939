"""A provider's client reaches exactly its own address."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.agent.providers.egress import provider_clients, provider_policy
from carapace.agent.providers.openai import OpenAiProvider
from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.agent.providers.spec import Api, ProviderSpec
from carapace.clock import SystemClock
from carapace.net.client import Egress
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock
from support.fake_llm import fake_llm
from support.providers import collect, request, spec, text_of


def made(url: str | None, *, private: bool | None = None) -> ProviderSpec:
    return ProviderSpec(
        "p", Api.OPENAI_COMPLETIONS, base_url=url, api_key="k", allow_private=private
    )


@pytest.mark.parametrize(
    ("url", "private", "allowed"),
    [
        ("http://127.0.0.1:11434/v1", None, True),
        ("http://localhost:11434/v1", None, True),
        ("http://127.0.0.1:11434/v1", False, False),
        ("https://models.example/v1", None, False),
        ("https://models.example/v1", True, True),
    ],
)
def test_only_the_own_host_and_port_are_open(url: str, private: bool | None, allowed: bool) -> None:
    policy = provider_policy(made(url, private=private))
    assert policy.only_hosts is not None
    assert len(policy.only_hosts) == 1
    assert policy.allow_hosts == (policy.only_hosts if allowed else frozenset())
    assert policy.allow_http is allowed


def test_a_vendors_own_address_is_any_public_one_by_https() -> None:
    policy = provider_policy(made(None))
    assert policy.only_hosts is None
    assert policy.allow_hosts == frozenset()
    assert not policy.allow_http


async def test_a_guarded_client_reaches_its_server_and_no_other(tmp_path: Path) -> None:
    audit = Audit(tmp_path, clock=FakeClock(), redactor=Redactor())
    clients = provider_clients(Egress(audit))
    async with fake_llm() as server:
        source = spec(Api.OPENAI_COMPLETIONS, server)
        fine = OpenAiProvider(source, http_client=clients, clock=SystemClock())
        assert text_of(await collect(fine, request("[[say:hi]]"))) == "hi"
        await fine.aclose()
        closed = spec(Api.OPENAI_COMPLETIONS, server, allow_private=False)
        refused = OpenAiProvider(closed, http_client=clients, clock=SystemClock())
        with pytest.raises(ProviderError) as caught:
            await collect(refused, request("hi"))
        assert caught.value.fault is ProviderFault.UNREACHABLE
        await refused.aclose()
    audit.close()
