"""Setting the gateway up by questions: provider, key, model, channel, service.

`machine` decides what is asked next and whether an answer fits, `plan` what follows from the
answers, `service` holds the one conversation there may be. Nothing is written before the last
question is answered with yes.
"""
