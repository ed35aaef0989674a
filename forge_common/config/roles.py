"""The config of each role: the groups of settings it needs, so none sees what it does not use."""

from __future__ import annotations

from msgspec import Struct

from forge_common.config.engine import (
    BatchSettings,
    CacheSettings,
    DeviceSettings,
    ModelSettings,
    QueueSettings,
    SpeculationSettings,
)
from forge_common.config.serving import (
    HttpSettings,
    LaunchSettings,
    LinkSettings,
    LogSettings,
    TelemetrySettings,
)


class ApiConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    model: ModelSettings = ModelSettings()
    http: HttpSettings = HttpSettings()
    links: LinkSettings = LinkSettings()
    launch: LaunchSettings = LaunchSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    log: LogSettings = LogSettings()


class SchedulerConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    cache: CacheSettings = CacheSettings()
    batch: BatchSettings = BatchSettings()
    speculation: SpeculationSettings = SpeculationSettings()
    queue: QueueSettings = QueueSettings()
    links: LinkSettings = LinkSettings()
    log: LogSettings = LogSettings()


class WorkerConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    model: ModelSettings = ModelSettings()
    device: DeviceSettings = DeviceSettings()
    cache: CacheSettings = CacheSettings()
    batch: BatchSettings = BatchSettings()
    links: LinkSettings = LinkSettings()
    log: LogSettings = LogSettings()


class LaunchConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything; `forge-launch` hands each role its part."""

    model: ModelSettings = ModelSettings()
    device: DeviceSettings = DeviceSettings()
    cache: CacheSettings = CacheSettings()
    batch: BatchSettings = BatchSettings()
    speculation: SpeculationSettings = SpeculationSettings()
    queue: QueueSettings = QueueSettings()
    http: HttpSettings = HttpSettings()
    links: LinkSettings = LinkSettings()
    launch: LaunchSettings = LaunchSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    log: LogSettings = LogSettings()
