"""What came in: on disk before anybody is told that we have it, in order for each conversation.

`service` is what others call, `records` the SQL, `waiting` decides what is due, and `pending`
keeps what a group said without meaning the assistant.
"""
