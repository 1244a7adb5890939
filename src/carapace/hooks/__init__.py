"""Hook points: where others may watch what the gateway does, and change a little of it.

Each point is declared once in `points`, with the shape of what a handler sees and the few
fields it may change. `bus` calls the handlers in order, under a deadline, and goes on without
one that fails.
"""
