"""Whether requests are traced, and where to: `--otlp-endpoint`, else OpenTelemetry's own variables.

Knows no request.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from forge_api.tracing.trace import Tracer
from forge_common.errors import ConfigError

ENDPOINT_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
MISSING: Final = "tracing needs the extra: pip install 'forge-server[otel]'"

logger = logging.getLogger(__name__)


def tracer_of(endpoint: str | None, environment: Mapping[str, str]) -> Tracer | None:
    """None unless somebody asked for it. Raises ConfigError where the flag cannot be honoured.

    The variables may be there for all programs of a host: without the extra, that is a warning.
    """
    if endpoint is None:
        return tracer_by_variables(environment)
    check(endpoint)
    try:
        tracer = make_tracer(endpoint)
    except ImportError as error:
        raise ConfigError(f"--otlp-endpoint: {MISSING}") from error
    logger.info("spans go to %s", endpoint)
    return tracer


def tracer_by_variables(environment: Mapping[str, str]) -> Tracer | None:
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_off or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    name = next((name for name in ENDPOINT_VARIABLES if environment.get(name)), None)
    if name is None:
        return None
    try:
        tracer = make_tracer(None)
    except ImportError:
        logger.warning("%s is set, but %s", name, MISSING)
        return None
    logger.info("spans go where %s says", name)
    return tracer


def check(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(
            f"--otlp-endpoint {endpoint}: must be the URL of a collector, as http://127.0.0.1:4318"
        )


def make_tracer(endpoint: str | None) -> Tracer:
    """Raises ImportError where the extra is not installed."""
    from forge_api.tracing.otel import OtelTracer

    return OtelTracer(endpoint)
