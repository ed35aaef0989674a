"""How many files a process may have open; each connection is one."""

from __future__ import annotations

import resource
from contextlib import suppress

MAX_OPEN_FILES = 65_536


def allow_many_connections() -> None:
    """Raise the soft limit, often 1,024, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_bounded = hard != resource.RLIM_INFINITY
    wanted = min(hard, MAX_OPEN_FILES) if is_bounded else MAX_OPEN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a system may have a lower limit than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
