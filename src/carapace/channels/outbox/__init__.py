"""What goes out: on disk before anybody relies on it, sent by lease, told when it is given up.

`service` puts and shows, `sender` takes and sends. `backoff` and `schedule` are pure; `claims`
is the sender's one transaction.
"""
