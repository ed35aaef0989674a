"""The stack as it is written down: confined, gated by health, and drained before it is killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forge_common.config import LaunchConfig
from forge_common.health import CHECKS
from forge_common.settings import CONFIG_VARIABLE, load_config, unknown_variables
from tests.deploy.files import DEPLOY, compose, documents, variables_of

STACK = compose("compose.yaml")
OBSERVABILITY = compose("compose.observability.yaml")
ROLES = ("scheduler", "worker", "api")
FILES = ("compose.yaml", "compose.gpu.yaml", "compose.observability.yaml")
EVERY_SERVICE = [
    pytest.param(service, id=name)
    for document in (STACK, OBSERVABILITY)
    for name, service in document["services"].items()
    if document is STACK or name not in STACK["services"]  # else it only adds to one of the stack
]


def seconds(text: object) -> float:
    return float(str(text).removesuffix("s"))


@pytest.mark.parametrize("service", EVERY_SERVICE)
def test_service_is_confined(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith(("0", "root"))
    assert {"memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    assert not service.keys() & {"privileged", "cap_add", "devices", "pid", "ipc"}


@pytest.mark.parametrize("service", EVERY_SERVICE)
def test_ports_are_open_to_this_machine_only(service: dict[str, Any]) -> None:
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", ROLES)
def test_role_is_started_again_and_asked_how_it_is(name: str) -> None:
    service = STACK["services"][name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"] == ["CMD", "python", "-m", "forge_common.health", name]
    assert name in CHECKS


def test_api_waits_for_health_and_everybody_for_keys() -> None:
    services = STACK["services"]
    for name in ROLES:
        keys = services[name]["depends_on"]["keys"]
        assert keys == {"condition": "service_completed_successfully"}
    for name in ("scheduler", "worker"):
        assert services["api"]["depends_on"][name] == {"condition": "service_healthy"}


def test_nothing_is_killed_before_the_drain_is_over() -> None:
    drain_s = seconds(STACK["services"]["api"]["environment"]["FORGE_DRAIN_TIMEOUT_S"])
    for name in ROLES:
        assert STACK["services"][name]["stop_signal"] == "SIGTERM"
        assert seconds(STACK["services"][name]["stop_grace_period"]) > drain_s


def test_each_role_has_the_keys_of_its_own_only() -> None:
    for name in ROLES:
        mounted = [str(volume) for volume in STACK["services"][name]["volumes"]]
        assert [text for text in mounted if "keys" in text] == [f"keys-{name}:/keys:ro"]


def test_models_and_settings_are_mounted_read_only() -> None:
    for name in ROLES:
        for volume in STACK["services"][name]["volumes"]:
            if isinstance(volume, dict):
                assert volume["read_only"] is True


def test_links_have_no_way_out_and_the_worker_no_other_network() -> None:
    assert STACK["networks"]["links"] == {"internal": True}
    assert STACK["services"]["worker"]["networks"] == ["links"]
    assert STACK["services"]["scheduler"]["networks"] == ["links"]


@pytest.mark.parametrize("name", ROLES)
def test_every_setting_in_a_service_is_one_of_forge(name: str) -> None:
    stated = STACK["services"][name]["environment"]
    environment = {variable: value for variable, value in stated.items() if value is not None}
    assert unknown_variables(environment) == []
    environment.pop(CONFIG_VARIABLE)
    load_config(LaunchConfig, {}, environment)


def test_settings_file_is_one_of_forge() -> None:
    load_config(LaunchConfig, {"config": DEPLOY / "forge.toml"}, {})


def test_example_of_settings_has_every_default() -> None:
    wanted = variables_of("compose.yaml") | variables_of("compose.gpu.yaml")
    text = (DEPLOY / ".env.example").read_text()
    given = dict(re.findall(r"^#? ?([A-Z_]+)=(.*)$", text, re.MULTILINE))
    images = {"FORGE_IMAGE", "FORGE_GPU_IMAGE", "FORGE_BACKEND", "FORGE_LOG_DRIVER"}
    assert wanted.keys() - images <= given.keys()
    active = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    for name, value in active.items():
        if name in wanted and name != "FORGE_WORKER_MEMORY":  # the overlay of GPUs has another
            assert value == wanted[name], name


def test_gpu_overlay_reserves_a_gpu_for_the_worker_alone() -> None:
    services = compose("compose.gpu.yaml")["services"]
    assert list(services) == ["worker"]
    (device,) = services["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert services["worker"]["environment"]["FORGE_BACKEND"] == "cuda"


def test_images_are_pinned() -> None:
    for name in OBSERVABILITY["services"].keys() - STACK["services"].keys():
        service = OBSERVABILITY["services"][name]
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])


def test_dashboard_and_alerts_ask_for_metrics_that_there_are() -> None:
    text = (DEPLOY / "observability" / "grafana" / "dashboards" / "forge.json").read_text()
    board = json.loads(text)
    assert board["uid"] == "forge"
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    alerts = (DEPLOY / "observability" / "alerts.yaml").read_text()
    names = set(re.findall(r"\bforge_[a-z0-9_]+", " ".join([*asked, alerts])))
    assert len(names) > 10
    assert names <= exported_names()


def test_alerts_say_what_happened_in_one_sentence() -> None:
    (group,) = documents("observability/alerts.yaml")[0]["groups"]
    for rule in group["rules"]:
        assert rule["annotations"].keys() == {"summary"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in {"page", "warn"}


def exported_names() -> set[str]:
    """As they stand in the two modules that export them, with the endings of their kinds."""
    sources = [
        DEPLOY.parent / "forge_api" / name for name in ("metrics.py", "scheduler_metrics.py")
    ]
    stems = set(re.findall(r'"(?:forge_)?([a-z_0-9]+)"', "".join(map(Path.read_text, sources))))
    return {f"forge_{stem}{end}" for stem in stems for end in ("", "_total", "_bucket")}


def tool(name: str) -> str:
    """Beside this Python or on the PATH, else the test is left out."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("name", FILES)
def test_compose_schema_holds(name: str) -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["Dockerfile.cpu", "Dockerfile.gpu"])
def test_hadolint_has_nothing_to_say(name: str) -> None:
    command = [tool("hadolint"), DEPLOY / name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("overlay", [None, *FILES[1:]])
def test_compose_itself_takes_the_files(overlay: str | None) -> None:
    has_plugin = subprocess.run([tool("docker"), "compose", "version"], capture_output=True)
    if has_plugin.returncode != 0:
        pytest.skip("docker has no compose plugin")
    files = ["compose.yaml"] if overlay is None else ["compose.yaml", overlay]
    flags = [word for name in files for word in ("-f", str(DEPLOY / name))]
    done = subprocess.run(
        [tool("docker"), "compose", *flags, "config", "-q"],
        env={**os.environ, "GRAFANA_PASSWORD": "x"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
