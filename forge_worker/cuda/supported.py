"""Which models the kernels compute, told before anything of one is loaded. Knows no device."""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_common.errors import ModelError


def check_model(config: ModelConfig) -> None:
    """ModelError, with what is missing, for a model that only the CPU computes so far."""
    missing = {
        "experts": any(experts is not None for experts in config.layer_experts),
    }
    for feature, is_needed in missing.items():
        if is_needed:
            raise ModelError(
                f"{config.architecture} needs {feature}, which Forge does not compute on a GPU yet:"
                " use --backend cpu"
            )
