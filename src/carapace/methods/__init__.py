"""What a client can ask: one file per namespace, each with its own registry of methods.

A handler takes a `Context` and its params, calls a service of a lower room and returns a wire
struct; it opens nothing, stores nothing and decides no scope. `carapace.app` merges the
registries.
"""
