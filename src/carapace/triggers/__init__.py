"""What starts a turn besides a person: webhooks, and later the clock.

Every inbound webhook goes through one kernel (`webhooks`) with one fixed order of work; who wants
one gives it a route: a path, a check of the signature and a handler. `hooks` puts `hooks.*` of the
configuration on it.
"""
