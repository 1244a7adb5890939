"""The gateway as its setup sees it: what there is to choose from, and how answers are written.

The same for a gateway that runs and for one that does not yet: both have a configuration file and
a vault.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from carapace.agent.onboarding.types import SERVER, Choice, Facts, SetupPlan, Source
from carapace.agent.providers.catalogue import Vendor, well_known
from carapace.agent.providers.discovery import OLLAMA, kept_key_name
from carapace.app.provider_keys import ProviderKeys
from carapace.channels.types import ChannelInfo
from carapace.config.service import ConfigService

__all__ = ["HouseSetup"]

_EMBEDDED: Final = "embedded"
_LABELS: Final = {
    "anthropic": "Anthropic",
    "openai": "OpenAI",
    "google": "Google",
    "deepseek": "DeepSeek",
    "groq": "Groq",
    "mistral": "Mistral",
    "openrouter": "OpenRouter",
    "xai": "xAI",
}
_OWN_CHANNELS: Final = frozenset({"webchat", "webhook"})


class HouseSetup:
    """Satisfies `carapace.agent.onboarding.ports.SetupTarget`.

    Args:
        config: Reads and writes the configuration.
        keys: Keeps keys in the vault.
        environment: Of the process, for keys that are known already.
        channels: The channels there are.
        on_key: Called when a key was kept, before the configuration is written.
    """

    def __init__(
        self,
        config: ConfigService,
        keys: ProviderKeys,
        *,
        environment: Mapping[str, str],
        channels: Callable[[], tuple[ChannelInfo, ...]] = tuple,
        on_key: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._keys = keys
        self._environment = environment
        self._channels = channels
        self._on_key = on_key

    async def facts(self) -> Facts:
        """What there is to choose from."""
        await self._keys.load()
        settings = self._config.settings
        sources = [self._vendor(one) for one in well_known().vendors.values() if one.name != OLLAMA]
        if settings.models.embedded.enabled:
            name = settings.models.embedded.model
            hint = "no key and no network; small, for trying out"
            models = (Choice(name, name),)
            sources.insert(
                0, Source(id=_EMBEDDED, label="The embedded model", models=models, hint=hint)
            )
        here = "runs on this machine"
        sources += [
            Source(id=OLLAMA, label="Ollama", wants_model=True, hint=here),
            Source(
                id=SERVER,
                label="Another server",
                wants_model=True,
                hint="anything that speaks the API of OpenAI",
            ),
        ]
        return Facts(
            sources=tuple(sources),
            channels=self._chat_services(),
            model=settings.agents.defaults.model.primary,
            program=self._program(),
        )

    async def write(self, plan: SetupPlan) -> None:
        """The key into the vault, all else into the configuration, after both were checked.

        Raises:
            Refused: If the configuration cannot be changed so; nothing is written then.
            Failed: If the vault or the file cannot be written.
        """
        patch = msgspec.json.encode(plan.patch).decode()
        self._config.reload()
        base_hash = self._config.snapshot().hash
        draft = self._config.draft_patch(patch, base_hash=base_hash)
        if plan.key is not None:
            await self._keys.put(plan.provider, plan.address, plan.key)
            self._on_key()
        await self._config.commit(draft)

    def _vendor(self, vendor: Vendor) -> Source:
        is_known = any(self._environment.get(name, "").strip() for name in vendor.keys)
        is_kept = kept_key_name(vendor.name, None) in self._keys.variables
        entry = self._config.settings.models.providers.get(vendor.name)
        return Source(
            id=vendor.name,
            label=_LABELS.get(vendor.name, vendor.name),
            wants_key=True,
            has_key=is_known or is_kept or bool(entry and entry.api_key),
            wants_model=not vendor.models,
            models=tuple(Choice(one.id, one.name) for one in vendor.models),
        )

    def _chat_services(self) -> tuple[Choice, ...]:
        return tuple(
            Choice(info.id, info.label, f"then: cara plugin setup {info.id}")
            for info in self._channels()
            if info.id not in _OWN_CHANNELS
        )

    def _program(self) -> tuple[str, ...]:
        """The command that starts this very gateway."""
        paths = self._config.paths
        words = [str(Path(sys.executable).with_name("cara")), "up", "--no-chat"]
        if paths.config_path.parent != paths.state_dir:
            words += ["--config", str(paths.config_path)]
        return (*words, "--state-dir", str(paths.state_dir))
