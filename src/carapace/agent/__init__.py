"""One turn: lanes, prompt, model stream, tools, approval, result, and what it cost.

In comes a message for a session, out go deltas while it runs and one transaction when it
ends. Nothing here opens a socket; providers get their client from `net`.
"""
