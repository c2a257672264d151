"""Requests that callers should not send, as data: a new one is one line in its family's file."""
