"""What Kubernetes and systemd are told: probes, limits, secrets, and time to drain."""

from __future__ import annotations

import configparser
import tomllib
from typing import Any

import msgspec
import pytest

from forge_common.config import LaunchConfig
from forge_common.errors import ConfigError, ModelError
from forge_common.health import CHECKS
from forge_common.settings import load_config, unknown_variables
from tests.deploy.files import DEPLOY, documents

BY_KIND = {document["kind"]: document for document in documents("kubernetes/forge.yaml")}
POD = BY_KIND["Deployment"]["spec"]["template"]["spec"]
CONTAINERS = {container["name"]: container for container in POD["containers"]}
DRAIN_S = LaunchConfig().launch.drain_timeout_s


@pytest.fixture(scope="module")
def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / "systemd" / "forge.service")
    return parser


def test_pod_has_a_container_for_each_role() -> None:
    commands = {name: container["command"] for name, container in CONTAINERS.items()}
    assert commands == {
        role: ["python", "-P", "-m", f"forge_{role}"] for role in ("scheduler", "worker", "api")
    }


@pytest.mark.parametrize("container", [*CONTAINERS.values(), *POD["initContainers"]])
def test_container_is_confined(container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


def test_pod_is_no_root_and_has_time_to_drain() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert POD["terminationGracePeriodSeconds"] > DRAIN_S
    assert POD["automountServiceAccountToken"] is False


def test_probes_ask_what_each_role_can_answer() -> None:
    assert CONTAINERS["api"]["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert CONTAINERS["api"]["livenessProbe"]["httpGet"]["path"] == "/livez"
    for role in ("scheduler", "worker"):
        command = CONTAINERS[role]["livenessProbe"]["exec"]["command"]
        assert command == ["python", "-m", "forge_common.health", role]
        assert role in CHECKS


def test_variables_and_settings_of_the_pod_are_those_of_forge(tmp_path: Any) -> None:
    for container in CONTAINERS.values():
        stated = {entry["name"]: "" for entry in container["env"]}
        assert unknown_variables(stated) == []
    text = BY_KIND["ConfigMap"]["data"]["forge.toml"]
    tomllib.loads(text)
    (tmp_path / "forge.toml").write_text(text)
    config = load_config(LaunchConfig, {"config": tmp_path / "forge.toml"}, {})
    assert config.launch.drain_timeout_s < POD["terminationGracePeriodSeconds"]
    assert msgspec.structs.asdict(config.links)["client_endpoint"].startswith("ipc://")


def test_claims_and_secrets_are_mounted_by_name() -> None:
    claims = {document["metadata"]["name"] for document in documents("kubernetes/forge.yaml")}
    for volume in POD["volumes"]:
        if "persistentVolumeClaim" in volume:
            assert volume["persistentVolumeClaim"]["claimName"] in claims
    assert '"secretKeyRef"' in msgspec.json.encode(CONTAINERS["api"]["env"]).decode()


def test_unit_drains_and_starts_what_failed_again(unit: configparser.RawConfigParser) -> None:
    service = unit["Service"]
    assert float(service["TimeoutStopSec"]) > DRAIN_S
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "on-failure"
    final = {ConfigError.EXIT_CODE, ModelError.EXIT_CODE}
    assert set(map(int, service["RestartPreventExitStatus"].split())) == final


def test_unit_gives_up_what_it_does_not_need(unit: configparser.RawConfigParser) -> None:
    service = unit["Service"]
    assert service["User"] == "forge"
    assert service["CapabilityBoundingSet"] == ""
    for name in ("NoNewPrivileges", "PrivateTmp", "RestrictNamespaces", "ProtectKernelTunables"):
        assert service[name] == "yes"
    assert "MemoryDenyWriteExecute" not in service  # the worker compiles
