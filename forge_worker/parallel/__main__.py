"""`python -m forge_worker.parallel FD`: a further rank of a worker, started by rank 0, over the
socket with this number."""

from __future__ import annotations

import logging
import os
import sys

from forge_common.errors import ForgeError
from forge_common.log import configure_logging
from forge_worker.blas_environment import prepare_blas

logger = logging.getLogger(__name__)


def main(link_fd: int) -> int:
    """The exit code."""
    configure_logging("info", "forge-worker-rank")
    prepare_blas(os.environ)
    # NumPy reads its environment once, when it is first imported.
    from forge_worker.parallel.follower import serve_rank

    try:
        serve_rank(link_fd)
    except ForgeError as error:
        logger.error("%s", error)
        return error.EXIT_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
