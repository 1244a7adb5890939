"""An SDK is loaded late, once, and its absence names the command that installs it."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import pytest

from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.agent.providers.sdk import Sdk, load_sdk, require_key, unreachable
from carapace.agent.providers.spec import Api, ProviderSpec
from carapace.clock import SystemClock

SPEC = ProviderSpec("mine", Api.OPENAI_COMPLETIONS, base_url="http://user:pw@host:81/v1")


class Http:
    def __init__(self) -> None:
        self.is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True


def sdk_over(http: Http, made: list[Any], spec: ProviderSpec = SPEC) -> Sdk:
    def build(module: ModuleType, _: ProviderSpec, client: Any) -> object:
        made.append((module, client))
        return object()

    return Sdk(
        spec,
        module="openai",
        extra="openai",
        build=build,
        http_client=lambda _: http,
        clock=SystemClock(),
    )


async def test_a_missing_library_says_how_to_install_it() -> None:
    with pytest.raises(ProviderError, match=r"pip install 'carapace-gateway\[extra\]'") as caught:
        await load_sdk("no_such_library_here", "extra")
    assert caught.value.fault is ProviderFault.BAD_REQUEST


async def test_the_client_is_made_once_and_closed_with_its_connections() -> None:
    http, made = Http(), list[Any]()
    sdk = sdk_over(http, made)
    async with asyncio.TaskGroup() as group:
        first, second = group.create_task(sdk.client()), group.create_task(sdk.client())
    assert first.result() is second.result()
    assert len(made) == 1
    await sdk.aclose()
    await sdk.aclose()
    assert http.is_closed


async def test_a_vendor_without_a_key_is_not_even_asked() -> None:
    made: list[Any] = []
    sdk = sdk_over(Http(), made, ProviderSpec("openai", Api.OPENAI_RESPONSES))
    with pytest.raises(ProviderError, match=r"models\.providers\.openai\.apiKey") as caught:
        await sdk.client()
    assert caught.value.fault is ProviderFault.AUTH
    assert made == []


def test_a_server_of_ones_own_needs_no_key() -> None:
    require_key(SPEC)


def test_the_innermost_reason_is_told_without_credentials() -> None:
    try:
        try:
            raise OSError("refused for sk-secret-1")  # noqa: TRY301 - the chain is the subject
        except OSError as inner:
            raise RuntimeError("wrapped") from inner
    except RuntimeError as error:
        told = unreachable(error, "http://user:pw@host:81/v1", ("sk-secret-1",))
    assert told.message == "Cannot reach the model server at host:81: refused for ***"
    assert told.fault is ProviderFault.UNREACHABLE


def test_a_reason_without_words_is_named_by_its_kind() -> None:
    told = unreachable(TimeoutError(), None, ())
    assert told.message == "Cannot reach the model server: TimeoutError"
