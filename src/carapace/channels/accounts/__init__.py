"""The chat accounts of the house: opened, watched and closed as the configuration says.

`service` is what others call; a `slot` is one account with its restarts, a `door` what can be
shut at once between an account and the house.
"""
