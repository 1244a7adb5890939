"""Who is calling, and what may they do.

A connect frame or an HTTP bearer comes in with its `Origin`; `service.Authenticator` answers
with a `Caller` whose role and scopes the server computed, or with a refusal in the words the
stock clients know. Everything that decides is plain code without I/O; only `service`,
`pairing`, `tokens`, `shared` and `tailscale` wait for anything.
"""
