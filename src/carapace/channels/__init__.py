"""Messages in and out: who may speak, what came in, what goes out, and how it gets there.

In: a channel hands an `InboundMessage` to the intake, policy decides, the inbox writes it down,
and only then is the service told that we have it. Out: a row in the outbox, written in the same
transaction as what caused it; the sender takes it by lease and gives it to the channel.
"""
