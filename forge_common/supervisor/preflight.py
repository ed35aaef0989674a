"""What can be known to be wrong before any process starts: the model's files, memory, the port.

Each check raises one sentence. Also settles what the settings left open, so that every process is
told the same: where the model is, its name, the length of a context, the blocks, the port. Reads
headers only; the names and shapes of tensors are checked by the worker.
"""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import NamedTuple

import msgspec

from forge_common.backend import choose_backend
from forge_common.backend_memory import memory_of
from forge_common.checkpoint import Checkpoint, model_files
from forge_common.checkpoint.directory import CONFIG_FILE
from forge_common.checkpoint.gguf.shards import SUFFIX as GGUF_SUFFIX
from forge_common.checkpoint.model_files import gguf_in, name_of
from forge_common.config import HttpSettings, LaunchConfig, ModelSettings
from forge_common.demo_model import DEMO_MODEL_NAME, demo_model_path
from forge_common.errors import ConfigError, ModelError
from forge_common.memory_plan import MemoryPlan, plan_memory
from forge_common.supervisor.hub import fetch, is_hub_id
from forge_common.supervisor.run_dir import CLIENT_SOCKET, WORKER_SOCKET


class LocalModel(NamedTuple):
    path: Path
    name: str


def find_model(settings: ModelSettings) -> LocalModel:
    """Where the model is on this machine, and what clients call it."""
    stated = settings.model_path
    if stated is None:
        return LocalModel(demo_model_path(), settings.served_model_name or DEMO_MODEL_NAME)
    path = Path(stated).expanduser()
    if path.exists():
        _check_kind(path)
        return LocalModel(path, settings.served_model_name or name_of(path))
    if path.suffix == GGUF_SUFFIX:
        raise ModelError(f"{path}: there is no such file")
    if is_hub_id(stated):
        return LocalModel(fetch(stated), settings.served_model_name or stated)
    raise ModelError(f"{path}: there is no such model directory")


def _check_kind(path: Path) -> None:
    if not path.is_dir():
        if path.suffix != GGUF_SUFFIX:
            raise ModelError(f"{path}: is a file; give a model directory or a .gguf file")
    elif not (path / CONFIG_FILE).exists() and gguf_in(path) is None:
        raise ModelError(
            f"{path} is no model directory: it has no {CONFIG_FILE}, nor one model in .gguf files"
        )


def plan_for(model: LocalModel, config: LaunchConfig) -> MemoryPlan:
    """What the model needs, for its files as they are. ModelError where one is not sound."""
    files = model_files(model.path)
    with Checkpoint.read(files, model.path) as checkpoint:
        files.tokenizer()
        memory = memory_of(config.device, choose_backend(config.device), checkpoint)
        return plan_memory(
            checkpoint, config.cache, config.batch, config.model.max_model_len, memory
        )


def check_port(http: HttpSettings) -> int:
    """The port to serve at: the one asked for, or a free one. ConfigError where it is taken.

    The probe does not share the port, or it would not notice another server that does.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            http.host, http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason += "; choose another with --port"
        raise ConfigError(f"cannot listen on {http.host}:{http.port}: {reason}") from error


def settle(config: LaunchConfig, model: LocalModel, plan: MemoryPlan, port: int) -> LaunchConfig:
    """The config with nothing left for a process to decide by itself.

    But for the blocks on a GPU: its worker counts them once it sees what CUDA itself took.
    """
    replace = msgspec.structs.replace
    num_blocks = config.cache.num_blocks if plan.backend == "cuda" else plan.num_blocks
    return replace(
        config,
        model=replace(
            config.model,
            model_path=str(model.path),
            served_model_name=model.name,
            max_model_len=plan.max_model_len,
        ),
        device=replace(config.device, backend=plan.backend),
        cache=replace(config.cache, num_blocks=num_blocks),
        http=replace(config.http, port=port),
    )


def settle_links(config: LaunchConfig, run_dir: Path) -> LaunchConfig:
    """Endpoints that no setting states are sockets in the run directory."""
    replace = msgspec.structs.replace
    links = replace(
        config.links,
        client_endpoint=config.links.client_endpoint or f"ipc://{run_dir / CLIENT_SOCKET}",
        worker_endpoint=config.links.worker_endpoint or f"ipc://{run_dir / WORKER_SOCKET}",
    )
    return replace(config, links=links, launch=replace(config.launch, run_dir=str(run_dir)))
