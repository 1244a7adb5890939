"""The sources of language models, with the keys that people gave for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from carapace.agent.providers.egress import provider_clients
from carapace.agent.providers.local import LocalProvider
from carapace.agent.providers.registry import ProviderRegistry
from carapace.agent.weights.library import Library
from carapace.app.observing import Observing
from carapace.app.provider_keys import ProviderKeys
from carapace.clock import Clock
from carapace.config.service import ConfigService
from carapace.config.settings.environment import EnvSettings
from carapace.config.settings.models import EmbeddedSettings
from carapace.credentials.ports import Vault
from carapace.net.client import Egress

__all__ = ["open_providers", "provider_variables", "using_keys"]


async def open_providers(
    config: ConfigService,
    vault: Vault,
    *,
    environment: Mapping[str, str],
    egress: Egress,
    clock: Clock,
    observing: Observing,
) -> tuple[ProviderKeys, ProviderRegistry]:
    """Build them; the registry has to be closed.

    Raises:
        GatewayError: If the vault cannot be read.
    """
    settings = config.settings
    keys = ProviderKeys(vault)
    await keys.load()
    providers = ProviderRegistry(
        models=settings.models,
        agents=settings.agents,
        env={**provider_variables(settings.env, environment), **keys.variables},
        http_client=provider_clients(egress),
        clock=clock,
        embedded=_embedded(Library(config.paths.state_dir / "models"), clock),
        add_secret=observing.redactor.add_secret,
    )
    return keys, providers


def using_keys(
    config: ConfigService,
    environment: Mapping[str, str],
    providers: ProviderRegistry,
    keys: ProviderKeys,
) -> Callable[[], None]:
    """What makes the running providers use a key that was just given."""

    def use() -> None:
        now = config.settings
        known = provider_variables(now.env, environment)
        providers.apply(now.models, now.agents, {**known, **keys.variables})

    return use


def provider_variables(settings: EnvSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """Where providers look for keys: `env.vars`, under the real environment.

    They are read by name and never enter the process's own environment, so that no file can
    set `LD_PRELOAD` and the like (advisory H04).
    """
    return {**settings.vars, **{name: value for name, value in environment.items() if value}}


def _embedded(library: Library, clock: Clock) -> Callable[[EmbeddedSettings], Any]:
    def make(settings: EmbeddedSettings) -> LocalProvider:
        return LocalProvider(settings, library, clock=clock)

    return make
