"""The wire: frames, errors, scopes, the registry of methods and events, and their types.

One source for validation, schemas, reference pages and golden matchers. Nothing in here
opens a socket, reads a clock or knows a library of the edge.
"""
