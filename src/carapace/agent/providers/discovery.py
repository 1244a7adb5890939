"""Which sources of models there are, from settings and environment.

Pure. Order matters: where nobody chose a model, the first source that has one is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from carapace.agent.pricing import Price
from carapace.agent.providers.catalogue import Catalogue, Vendor
from carapace.agent.providers.spec import Api, ModelSpec, ProviderSpec
from carapace.config.settings.models import ModelSettings, ModelsSettings, ProviderSettings

__all__ = ["OLLAMA", "find_sources", "kept_key_name", "ollama_url", "unsupported"]

OLLAMA = "ollama"
_OLLAMA_PORT = 11434
_KNOWN_APIS = frozenset(Api) - {Api.EMBEDDED}


def find_sources(
    settings: ModelsSettings, env: Mapping[str, str], catalogue: Catalogue
) -> tuple[ProviderSpec, ...]:
    """Sources whose key or address is known: the configured ones, then those of the environment.

    Ollama on its usual address is not among them: whether it is there is found by asking.
    """
    found = [
        spec
        for name, row in settings.providers.items()
        if (spec := _configured(name, row, env, catalogue)) is not None
    ]
    if settings.mode == "merge":
        names = {spec.name for spec in found}
        found += [
            ProviderSpec(name=vendor.name, api=vendor.api, api_key=key, models=vendor.models)
            for vendor in catalogue.vendors.values()
            if vendor.name not in names and (key := _kept(vendor.name, None, env, vendor))
        ]
    return tuple(found)


def unsupported(settings: ModelsSettings) -> tuple[str, ...]:
    """Names of configured providers whose wire format is not spoken here."""
    return tuple(
        name
        for name, row in settings.providers.items()
        if row.api is not None and row.api not in _KNOWN_APIS
    )


def ollama_url(env: Mapping[str, str]) -> str:
    """Where Ollama's own API is, by `OLLAMA_HOST` (`host`, `host:port` or a URL) or by custom."""
    said = env.get("OLLAMA_HOST", "").strip() or "127.0.0.1"
    parts = urlsplit(said if "://" in said else f"http://{said}")
    host = parts.hostname or "127.0.0.1"
    try:
        port = parts.port
    except ValueError:
        port = None
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - what the server listens on; a client asks loopback
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    default = 443 if parts.scheme == "https" else _OLLAMA_PORT
    return f"{parts.scheme}://{shown}:{port or default}"


def kept_key_name(provider: str, base_url: str | None) -> str:
    """Under which name the vault keeps a provider's key: it belongs to one address.

    No variable of a shell can have this name. With another `baseUrl` in the configuration the key
    is not found, so nobody who may write settings can have it sent elsewhere.
    """
    return f"provider-key:{provider}@{base_url or ''}"


def _kept(
    name: str, base_url: str | None, env: Mapping[str, str], vendor: Vendor | None
) -> str | None:
    """The key that a person gave in the setup, else that of the environment for a vendor's own."""
    own = None if vendor is None or base_url else _key_of(vendor, env)
    return env.get(kept_key_name(name, base_url)) or own


def _key_of(vendor: Vendor, env: Mapping[str, str]) -> str | None:
    return next((key for name in vendor.keys if (key := env.get(name, "").strip())), None)


def _configured(
    name: str, row: ProviderSettings, env: Mapping[str, str], catalogue: Catalogue
) -> ProviderSpec | None:
    vendor = catalogue.vendors.get(name)
    if row.api is not None and row.api not in _KNOWN_APIS:
        return None
    api = Api(row.api) if row.api else (vendor.api if vendor else Api.OPENAI_COMPLETIONS)
    key = row.api_key or _kept(name, row.base_url, env, vendor)
    listed = tuple(_model(name, model, catalogue) for model in row.models)
    if vendor is not None and not listed:
        listed = vendor.models
    return ProviderSpec(
        name=name,
        api=api,
        base_url=row.base_url or (vendor.base_url if vendor else None),
        api_key=key,
        headers=row.headers,
        is_bearer=bool(row.auth_header),
        allow_private=row.allow_private,
        models=listed,
    )


def _model(provider: str, row: ModelSettings, catalogue: Catalogue) -> ModelSpec:
    vendor = catalogue.vendors.get(provider)
    known = next((m for m in (vendor.models if vendor else ()) if m.id == row.id), None)
    base = known or ModelSpec(id=row.id, name=row.id)
    cost = row.cost
    price = (
        Price(cost.input, cost.output, cost.cache_read, cost.cache_write)
        if cost is not None
        else base.price
    )
    return replace(
        base,
        name=row.name or base.name,
        reasoning=row.reasoning or bool(base.reasoning),
        takes_images="image" in row.input,
        context_tokens=row.context_window or base.context_tokens,
        max_tokens=row.max_tokens or base.max_tokens,
        price=price,
        api=Api(row.api) if row.api in _KNOWN_APIS else None,
        headers=row.headers,
    )
