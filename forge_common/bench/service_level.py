"""ServiceLevel: the limits within which a request counts for goodput. Knows nothing of servers."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import asdict

from forge_common.bench.records import RequestRecord
from forge_common.bench.spans import span_s, span_text
from forge_common.errors import ConfigError


class ServiceLevel(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds each; None sets no limit. `itl` bounds every gap of a reply, `tpot` their mean."""

    ttft: float | None = None
    itl: float | None = None
    tpot: float | None = None
    e2e: float | None = None

    def is_met_by(self, record: RequestRecord) -> bool:
        """Never by a request that failed; a span that a short reply has not is within limits."""
        if record.failure is not None:
            return False
        pairs = (
            (record.ttft_s, self.ttft),
            (record.longest_gap_s, self.itl),
            (record.tpot_s, self.tpot),
            (record.e2e_s, self.e2e),
        )
        return all(span is None or limit is None or span <= limit for span, limit in pairs)

    @property
    def text(self) -> str:
        limits = asdict(self).items()
        return ", ".join(f"{name} ≤ {span_text(limit)}" for name, limit in limits if limit)


def service_level(text: str) -> ServiceLevel:
    """From `ttft=500ms,itl=50ms`. Raises ConfigError."""
    limits: dict[str, float] = {}
    for part in text.split(","):
        name, _, limit = part.strip().partition("=")
        if name not in ServiceLevel.__struct_fields__:
            known = ", ".join(ServiceLevel.__struct_fields__)
            raise ConfigError(f"--slo: {name!r} is not one of {known}; write it as ttft=500ms")
        limits[name] = span_s(limit, f"--slo {name}")
    return ServiceLevel(**limits)
