"""`forge-launch`, but that its roles fail when asked, and are started again without end.

The wait before a restart does not grow with those before it, else each test would wait for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from forge_common.config import LaunchConfig
from forge_common.supervisor import cli, restarts
from forge_common.supervisor.roles import Role, roles_of


def faulty_roles_of(config: LaunchConfig, environment: Mapping[str, str]) -> tuple[Role, ...]:
    return tuple(
        role._replace(argv=(*role.argv[:-1], "tests.faults.faulty_role", role.argv[-1]))
        for role in roles_of(config, environment)
    )


if __name__ == "__main__":
    vars(cli)["roles_of"] = faulty_roles_of
    restarts.SOON_S = 0.0
    cli.main()
