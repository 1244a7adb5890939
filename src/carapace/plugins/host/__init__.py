"""The gateway's side of running plugins: a worker process for each, watched and replaced.

`service` is what others hold; it keeps one `supervisor` a plugin, which keeps one `worker`.
Compiled code passes an authenticated cache (`aot_cache`), what a guest asks for passes
`limits`, and a process that is lost too often stays away for a while (`crashes`).
"""
