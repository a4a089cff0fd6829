"""Webhook intake: events of vendors become rows of the data contract. Off unless sources are configured.

An event is authenticated, mapped and written to a spool on disk before it is answered with 202. A writer moves the
spool to PostgreSQL with a role of its own. What cannot be mapped is refused, and kept as a dead letter.
"""
