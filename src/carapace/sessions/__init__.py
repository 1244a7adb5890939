"""Conversations: their keys, settings, transcripts, titles and compaction.

A session is a key with a current transcript; messages are appended and archived, never
changed. In: `service.Sessions` for clients' requests, and the functions of `records` for
transactions that several rooms share.
"""
