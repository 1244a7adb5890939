"""Golden traces: exchanges recorded from a gateway, replayed against another.

A trace says what was asked and answered, a scenario in which order to ask again and which
values may differ and why. The verdict is a report per method; nothing is compared in silence.
"""
