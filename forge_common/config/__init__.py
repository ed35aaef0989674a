"""Every setting of Forge, in small groups, and the groups that each role gets.

Command-line flags (`--max-batch-size`), environment variables (`FORGE_MAX_BATCH_SIZE`), the TOML
file (`[batch] max_batch_size`) and the docs page are derived from here by `settings.py`. Frozen,
and never written after start. Knows no argv and no socket.
"""

from forge_common.config.engine import (
    BatchSettings,
    CacheSettings,
    CpuKernels,
    DeviceSettings,
    DtypeName,
    KVDtypeName,
    ModelSettings,
    QuantizeName,
    QueueSettings,
    SpeculationSettings,
)
from forge_common.config.roles import (
    ApiConfig,
    LaunchConfig,
    SchedulerConfig,
    WorkerConfig,
)
from forge_common.config.serving import (
    HttpSettings,
    LaunchSettings,
    LinkSettings,
    LogSettings,
)

__all__ = [
    "ApiConfig",
    "BatchSettings",
    "CacheSettings",
    "CpuKernels",
    "DeviceSettings",
    "DtypeName",
    "HttpSettings",
    "KVDtypeName",
    "LaunchConfig",
    "LaunchSettings",
    "LinkSettings",
    "LogSettings",
    "ModelSettings",
    "QuantizeName",
    "QueueSettings",
    "SchedulerConfig",
    "SpeculationSettings",
    "WorkerConfig",
]
