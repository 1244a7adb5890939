"""The wire: one port for HTTP and WebSocket, and everything that guards it.

A message comes in through `ws_transport` (bytes), `connection` (rules, no I/O), `client` (one
connected client) and `dispatch` (the registry), and its answer goes back the same way. What
the gateway says unasked goes through `hub`; `app` puts the pieces together and listens.
"""
