"""Carapace: a hardened, self-hosted gateway for a personal AI assistant.

Rooms are sub-packages; each may use the rooms below it, never those above
(`docs/explain/architecture.md`). `carapace.app` builds the whole from its parts.
"""

__version__ = "0.1.0.dev0"
__all__ = ["__version__"]
