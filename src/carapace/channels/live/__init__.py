"""Answers that can be watched while they are written: typing signs and messages that grow.

A growing message is kept on disk, so that a restart goes on with it instead of a second one.
"""
