"""The composition root: settings in, a running gateway out, and its orderly end.

`parts` builds the object graph in floor order with plain constructors: it is the map of the
house. `gateway` starts and stops it, `run` keeps it up until it is told to end.
"""

from carapace.app.options import UpOptions
from carapace.app.run import run_gateway

__all__ = ["UpOptions", "run_gateway"]
