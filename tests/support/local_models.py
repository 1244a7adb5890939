"""Weights for the tests marked `model`, which really generate text.

`CARAPACE_TEST_MODELS` names a folder of models, as `cara model pull --models-dir` fills it;
without it the state folder is looked through.
"""

from __future__ import annotations

import os
from pathlib import Path

from carapace.agent.weights.library import Library

__all__ = ["smallest_model"]


def smallest_model() -> Path | None:
    """The smallest model that is here, None if there is none."""
    state = Path(os.environ.get("CARAPACE_STATE_DIR", "~/.carapace")).expanduser()
    folder = Path(os.environ.get("CARAPACE_TEST_MODELS") or state / "models")
    models = Library(folder).installed()
    return min(models, key=lambda model: model.size_bytes).path if models else None
