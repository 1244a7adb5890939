"""People on chat services: whom the settings and the owner let in, and who asks for it.

`service` is what others call; pairing codes and the list of those let in are rows, kept in
memory too, so that a verdict needs no look at the disk.
"""
