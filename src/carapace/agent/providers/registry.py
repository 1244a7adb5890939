"""All models there are: built from settings, environment and what answers; chosen by name.

`resolve` never waits: what must be asked over the network (is Ollama there?) is asked by
`refresh`, which the app runs at start and now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from msgspec import UNSET

from carapace.agent.pricing import Price
from carapace.agent.providers.anthropic import AnthropicProvider
from carapace.agent.providers.catalogue import Catalogue, well_known
from carapace.agent.providers.cooling import Cooling
from carapace.agent.providers.discovery import OLLAMA, find_sources, unsupported
from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.providers.google import GoogleProvider
from carapace.agent.providers.leased import LeasedProvider
from carapace.agent.providers.ollama import probe_ollama
from carapace.agent.providers.openai import OpenAiProvider
from carapace.agent.providers.ports import Embeds, Provider
from carapace.agent.providers.spec import Api, HttpClientFactory, ModelSpec, ProviderSpec
from carapace.clock import Clock
from carapace.config.settings.agents import AgentsSettings, ModelChoice
from carapace.config.settings.models import EmbeddedSettings, ModelsSettings
from carapace.errors import Refused
from carapace.ids import AgentId
from carapace.protocol.models import ModelInfo
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["EMBEDDED", "EmbeddedFactory", "ProviderRegistry"]

EMBEDDED = "embedded"
EmbeddedFactory = Callable[[EmbeddedSettings], Provider]
log = get_logger(__name__)


class ProviderRegistry:
    """Every source of models and its one client.

    Args:
        models: `models.*`.
        agents: `agents.*`, for who uses which model.
        env: `env.vars` under the process's environment; only names this file documents
            are read.
        http_client: Makes a guarded client for one provider.
        clock: For providers.
        embedded: Makes the provider that runs here; None where there is no such thing.
        add_secret: Told every key, so that it never shows in logs.
        catalogue: What is known without configuration.
    """

    def __init__(
        self,
        *,
        models: ModelsSettings,
        agents: AgentsSettings,
        env: Mapping[str, str],
        http_client: HttpClientFactory,
        clock: Clock,
        embedded: EmbeddedFactory | None = None,
        add_secret: Callable[[str], None] = lambda _: None,
        catalogue: Catalogue | None = None,
    ) -> None:
        self._env = env
        self._http_client = http_client
        self._clock = clock
        self._embedded_factory = embedded
        self._add_secret = add_secret
        self._catalogue = catalogue or well_known()
        self._tasks = Tasks("providers", _report)
        self._ollama: ProviderSpec | None = None
        self._specs: dict[str, ProviderSpec] = {}
        self._live: dict[tuple[str, Api], tuple[ProviderSpec, LeasedProvider]] = {}
        self._cooling: dict[str, Cooling] = {}
        self._embedded_settings: EmbeddedSettings | None = None
        self._models = models
        self._agents = agents
        self.apply(models, agents)

    # ---- what there is ----

    def apply(
        self,
        models: ModelsSettings,
        agents: AgentsSettings,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Take new settings; what did not change keeps its connections and its rest.

        Providers that are gone are closed after their last stream ends. Without `env` the
        variables stay.
        """
        self._models, self._agents = models, agents
        self._env = self._env if env is None else env
        for name in unsupported(models):
            log.warning("provider skipped: its api is not spoken here", provider=name)
        specs = {spec.name: spec for spec in find_sources(models, self._env, self._catalogue)}
        if self._ollama is not None and models.mode == "merge":
            specs.setdefault(OLLAMA, self._ollama)
        if self._embedded_factory is not None and models.embedded.enabled:
            specs.setdefault(EMBEDDED, _embedded_spec(models.embedded))
        self._specs = specs
        for spec in specs.values():
            for secret in spec.secrets():
                self._add_secret(secret)
        self._retire_changed()

    async def refresh(self) -> None:
        """Ask again what can only be found by asking: a local Ollama, within 0.3 seconds."""
        if self._models.mode != "merge" or OLLAMA in self._models.providers:
            return
        self._ollama = await probe_ollama(self._env, self._http_client)
        self.apply(self._models, self._agents)

    def catalogue(self) -> list[ModelInfo]:
        """Every model of every source, by provider and name."""
        rows = [
            ModelInfo(
                id=model.id,
                name=model.name,
                provider=spec.name,
                context_window=UNSET if model.context_tokens is None else model.context_tokens,
                reasoning=bool(model.reasoning),
                input=("text", "image") if model.takes_images else ("text",),
            )
            for spec in self._specs.values()
            for model in spec.models
        ]
        return sorted(rows, key=lambda row: (row.provider, row.name))

    def sources(self) -> tuple[ProviderSpec, ...]:
        """Every source, best first, for those who ask it for something else than an answer."""
        return tuple(self._specs.values())

    def knows(self, model_ref: str) -> bool:
        """Whether `resolve` would take this reference."""
        return self._find(model_ref) is not None

    def check(self) -> str | None:
        """For readiness: why there is no model to ask, or None."""
        if any(spec.models for spec in self._specs.values()):
            return None
        return (
            "there is no language model: set a key under models.providers, start Ollama, "
            "or run `cara model pull`"
        )

    # ---- which to use ----

    def resolve(self, model_ref: str | None, agent_id: AgentId) -> list[ModelTarget]:
        """The models for one turn, primary first, each once.

        Args:
            model_ref: `provider/model`, or a model's id alone; None takes the agent's.
            agent_id: Whose choice and fallbacks apply.

        Raises:
            Refused: If the primary is not known, or there is no model at all.
        """
        choice = self._choice(agent_id)
        primary = model_ref or choice.primary or self._automatic()
        found = self._find(primary)
        if found is None:
            raise self._unknown(primary)
        picked = [found]
        for ref in choice.fallbacks:
            other = self._find(ref)
            if other is None:
                log.warning("fallback skipped: no such model", model=ref)
            elif other not in picked:
                picked.append(other)
        cap = self._agents.defaults.context_tokens
        return [self._target(spec, model, cap) for spec, model in picked]

    def embeds(self, model_ref: str) -> tuple[Embeds, ModelSpec] | None:
        """Who makes the vectors of `provider/model`; None if no provider has that name.

        The model need not be one of the provider's list: that names models that talk.
        """
        name, _, model_id = model_ref.strip().partition("/")
        spec = self._specs.get(name)
        if spec is None or not model_id:
            return None
        return self._provider(spec, spec.api), spec.model(model_id)

    def _choice(self, agent_id: AgentId) -> ModelChoice:
        for entry in self._agents.list:
            if entry.id.lower() == agent_id.lower() and entry.model is not None:
                return entry.model
        return self._agents.defaults.model

    def _automatic(self) -> str:
        for spec in self._specs.values():
            if spec.models:
                return f"{spec.name}/{spec.models[0].id}"
        raise Refused(f"No model can answer: {self.check()}.", code="UNAVAILABLE")

    def _find(self, ref: str) -> tuple[ProviderSpec, ModelSpec] | None:
        name, slash, model_id = ref.strip().partition("/")
        if slash and model_id and (spec := self._specs.get(name)) is not None:
            return spec, spec.model(model_id)
        for spec in self._specs.values():
            for model in spec.models:
                if model.id == ref.strip():
                    return spec, model
        return None

    def _unknown(self, ref: str) -> Refused:
        name = ref.partition("/")[0]
        known = ", ".join(sorted(self._specs)) or "none"
        if name in unsupported(self._models):
            api = self._models.providers[name].api
            return Refused(f'The model "{ref}" cannot be used: its api "{api}" is not spoken here.')
        return Refused(
            f'The model "{ref}" is not known. Providers with a key or an address: {known}. '
            f"Name one of theirs as provider/model, or set models.providers.{name}.apiKey."
        )

    def _target(self, spec: ProviderSpec, model: ModelSpec, cap: int | None) -> ModelTarget:
        sizes = [size for size in (model.context_tokens, cap) if size is not None]
        ref = f"{spec.name}/{model.id}"
        return ModelTarget(
            provider_name=spec.name,
            model_id=model.id,
            provider=self._provider(spec, model.api or spec.api),
            context_tokens=min(sizes, default=None),
            max_tokens=model.max_tokens,
            pricing=model.price,
            reasoning=model.reasoning,
            takes_images=model.takes_images,
            is_embedded=spec.api is Api.EMBEDDED,
            api=(model.api or spec.api).value,
            cooling=self._cooling.setdefault(ref, Cooling()),
        )

    # ---- their clients ----

    def _provider(self, spec: ProviderSpec, api: Api) -> LeasedProvider:
        held = self._live.get((spec.name, api))
        if held is None:
            held = spec, LeasedProvider(self._make(replace(spec, api=api)))
            self._live[spec.name, api] = held
        return held[1]

    def _make(self, spec: ProviderSpec) -> Provider:
        match spec.api:
            case Api.OPENAI_COMPLETIONS | Api.OPENAI_RESPONSES:
                return OpenAiProvider(spec, http_client=self._http_client, clock=self._clock)
            case Api.ANTHROPIC_MESSAGES:
                return AnthropicProvider(spec, http_client=self._http_client, clock=self._clock)
            case Api.GOOGLE_GENERATIVE_AI:
                return GoogleProvider(spec, http_client=self._http_client, clock=self._clock)
            case Api.EMBEDDED:
                if self._embedded_factory is None:  # pragma: no cover - `apply` offers it only then
                    raise RuntimeError("no factory for the embedded model")
                return self._embedded_factory(self._models.embedded)

    def _retire_changed(self) -> None:
        is_embedded_new = self._models.embedded != self._embedded_settings
        self._embedded_settings = self._models.embedded
        for key, (spec, leased) in list(self._live.items()):
            same = self._specs.get(key[0]) == spec
            if same and not (is_embedded_new and spec.api is Api.EMBEDDED):
                continue
            del self._live[key]
            for ref in [ref for ref in self._cooling if ref.startswith(f"{key[0]}/")]:
                del self._cooling[ref]
            self._tasks.start(leased.retire(), name=f"retire {key[0]}")

    async def aclose(self) -> None:
        """Close every client."""
        await self._tasks.close()
        live, self._live = self._live, {}
        for _, leased in live.values():
            await leased.aclose()


def _embedded_spec(settings: EmbeddedSettings) -> ProviderSpec:
    model = ModelSpec(
        id=settings.model,
        name=f"Embedded model ({settings.model})",
        reasoning=False,
        context_tokens=settings.context_tokens,
        price=Price(),  # nobody is paid
    )
    return ProviderSpec(name=EMBEDDED, api=Api.EMBEDDED, models=(model,))


def _report(task: str, error: BaseException) -> None:
    log.error("provider did not close", task=task, reason=str(error))
