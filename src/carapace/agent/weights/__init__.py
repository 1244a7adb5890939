"""Weights of the embedded model: which exist, how they get here, where they lie.

`manifest` names files by content hash, `pull.Puller` fetches one from any source and accepts
it only if the hash fits, `library.Library` lists what is there. Nothing here loads a model.
"""

from __future__ import annotations
