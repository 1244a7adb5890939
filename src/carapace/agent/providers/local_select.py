"""Which weights a request means. Reads the library, decides, starts nothing."""

from __future__ import annotations

from pathlib import Path

from carapace.agent.providers.local_wire import Start
from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.agent.weights.choose import physical_cores
from carapace.agent.weights.library import InstalledModel, Library, is_gguf
from carapace.agent.weights.manifest import MANIFEST
from carapace.config.settings.models import EmbeddedSettings

__all__ = ["select"]


def select(model: str, settings: EmbeddedSettings, library: Library) -> tuple[str, Start]:
    """The weights asked for, else those set, else any of ours that are here.

    Falling back keeps a machine with little memory answering, where the small model was
    fetched although the settings name the larger one.

    Args:
        model: What the request names; may be empty.
        settings: What is set; its model may also be the absolute path of a file.
        library: What is here.

    Returns:
        The model's name and the message that loads it.

    Raises:
        ProviderError: If there is nothing to load.
    """
    found = library.find(model) or library.find(settings.model)
    if found is None and (path := Path(settings.model)).is_absolute() and path.is_file():
        return path.stem, _start(path, None, settings)
    if found is None:
        found = next(filter(None, map(library.find, MANIFEST)), None)
    if found is None:
        wanted = model or settings.model
        raise ProviderError(
            ProviderFault.UNREACHABLE,
            f"The embedded model {wanted!r} is not on this machine yet. "
            f"Fetch it with: cara model pull {wanted}",
        )
    return found.name, _start(found.path, found, settings)


def _start(path: Path, model: InstalledModel | None, settings: EmbeddedSettings) -> Start:
    if not is_gguf(path):
        raise ProviderError(ProviderFault.UNREACHABLE, f"{path} is not a GGUF model file.")
    weights = None if model is None else model.weights
    context = settings.context_tokens
    return Start(
        str(path),
        context if weights is None else min(context, weights.context_tokens),
        settings.threads or physical_cores(),
        None if weights is None else weights.chat_template,
    )
