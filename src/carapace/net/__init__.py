"""The only room that opens outbound connections.

`client.Egress` hands out HTTP clients that check every address at the moment of the
connection, follow redirects by hand and stop bodies at a cap. In come a caller's policy and
a URL; out comes a response, or an error that names the rule that refused it.
"""

from __future__ import annotations
