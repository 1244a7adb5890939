"""Jobs that start by the clock: when they are due, what is owed, and doing it.

A job has slots: the moments at which it is due. Each slot is claimed once, in the transaction that
moves the job on to its next one, so that neither a crash nor a jump of the clock doubles or loses
one.
"""
