"""Whether the embedded model has to be fetched before the gateway starts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from carapace.agent.providers.catalogue import well_known
from carapace.agent.providers.discovery import find_sources
from carapace.agent.weights.choose import choose, free_memory_bytes
from carapace.agent.weights.library import Library
from carapace.agent.weights.manifest import MANIFEST, STARTER
from carapace.config.settings import Settings

__all__ = ["wanted_model"]

_EMBEDDED: Final = "embedded/"


def wanted_model(
    settings: Settings, library: Library, environment: Mapping[str, str]
) -> str | None:
    """The model to fetch, or None if something can answer without it, or it could not run.

    Where the settings ask for the larger model (the default) and memory is short, the
    smaller one is fetched.
    """
    embedded = settings.models.embedded
    if not embedded.enabled or find_spec("xllamacpp") is None:
        return None
    primary = settings.agents.defaults.model.primary
    if primary is not None and not primary.startswith(_EMBEDDED):
        return None
    if primary is None and find_sources(settings.models, environment, well_known()):
        return None
    if embedded.model not in MANIFEST or any(map(library.find, MANIFEST)):
        return None
    return choose(free_memory_bytes()).name if embedded.model == STARTER.name else embedded.model
