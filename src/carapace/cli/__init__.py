"""The `cara` command: one file a verb, imported when the verb is called.

Verbs talk to a running gateway as any other client does (`client`), or call plain functions
of the rooms below. Standard output is for results, standard error for everything else.
"""
