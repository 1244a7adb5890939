"""What sessions and tools take from the configuration."""

from __future__ import annotations

from collections.abc import Callable

from carapace.agent.approval import ToolPolicy
from carapace.agent.profiles import Profiles
from carapace.agent.providers.ports import ProviderError
from carapace.agent.providers.registry import ProviderRegistry
from carapace.config.settings import Settings, ToolsSettings
from carapace.errors import Refused
from carapace.sessions.types import ModelRef, SessionPolicy

__all__ = ["SessionPolicies", "tool_policy"]


def tool_policy(settings: ToolsSettings) -> ToolPolicy:
    """What `tools.*` allows; without an allow list everything that the risk table allows."""
    allow = frozenset(settings.allow) if settings.allow else None
    return ToolPolicy(allow=allow, deny=frozenset(settings.deny))


class SessionPolicies:
    """Makes the policy anew when the settings or the models changed, not at every call."""

    def __init__(
        self, settings: Callable[[], Settings], profiles: Profiles, models: ProviderRegistry
    ) -> None:
        self._settings = settings
        self._profiles = profiles
        self._models = models
        self._made: SessionPolicy | None = None

    def __call__(self) -> SessionPolicy:
        """The policy as it is now."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def forget(self) -> None:
        """Something it depends on changed."""
        self._made = None

    def _make(self) -> SessionPolicy:
        settings = self._settings()
        model, context_tokens = self._default_model()
        return SessionPolicy(
            agent_id=self._profiles.default_id,
            main_key=settings.session.main_key,
            one_for_all=settings.session.scope == "global",
            model=model,
            context_tokens=context_tokens,
            thinking_level=settings.agents.defaults.thinking_default or "off",
        )

    def _default_model(self) -> tuple[ModelRef | None, int | None]:
        try:
            target = self._models.resolve(None, self._profiles.default_id)[0]
        except (ProviderError, Refused):
            return None, None
        return ModelRef(target.provider_name, target.model_id), target.context_tokens
