"""Each role is told its part of the settings, in its environment, and nothing else."""

from __future__ import annotations

from forge_common.config import HttpSettings, LaunchConfig, ModelSettings, WorkerConfig
from forge_common.settings import load_config
from forge_common.supervisor.roles import Role, roles_of

CONFIG = LaunchConfig(
    model=ModelSettings(model_path="/models/x"),
    http=HttpSettings(api_key=("secret",), api_workers=2),
)


def role(name: str, config: LaunchConfig = CONFIG, **environment: str) -> Role:
    return next(role for role in roles_of(config, environment) if role.name == name)


def test_one_process_a_role_and_api_workers_of_the_api() -> None:
    assert [role.name for role in roles_of(CONFIG, {})] == ["worker", "scheduler", "api-0", "api-1"]
    assert [role.name for role in roles_of(LaunchConfig(), {})] == ["worker", "scheduler", "api"]


def test_edge_stops_first_and_the_worker_last() -> None:
    assert [role.stage for role in roles_of(CONFIG, {})] == [0, 1, 2, 2]


def test_role_reads_back_its_part() -> None:
    config = load_config(WorkerConfig, {}, role("worker").environment)
    assert config == WorkerConfig(model=CONFIG.model)


def test_keys_stand_only_where_they_are_needed_and_on_no_command_line() -> None:
    assert role("api-0").environment["FORGE_API_KEY"] == "secret"
    for other in ("worker", "scheduler"):
        assert "secret" not in role(other).environment.values()
    assert all("secret" not in " ".join(role.argv) for role in roles_of(CONFIG, {}))


def test_settings_are_not_read_a_second_time() -> None:
    told = role("worker", LaunchConfig(), FORGE_PORT="1", FORGE_CONFIG="x", PATH="/bin").environment
    assert told["PATH"] == "/bin"
    assert not any(name.startswith("FORGE_") for name in told)
