"""How many files the process may have open: each connection is one."""

from __future__ import annotations

import logging
import resource

log = logging.getLogger(__name__)

OTHERS = 256
"""Files besides connections: listeners, the database, storage, what libraries open."""


def allow(connections: int) -> None:
    """Raise the soft limit as far as so many connections need; the hard one is the administrator's.

    What then still lacks is logged.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHERS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit < wanted:
        log.warning("fewer connections than web.max_connections are possible", extra={"open_files": limit})
