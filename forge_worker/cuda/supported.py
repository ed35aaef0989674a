"""Which models the kernels compute, told before anything of one is loaded. Knows no device."""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_common.errors import ModelError


def check_model(config: ModelConfig) -> None:
    """ModelError, with what is missing, for a model that only the CPU computes so far."""
    norms = config.norms
    missing = {
        "experts": any(experts is not None for experts in config.layer_experts),
        "norms behind the parts of a layer": bool(norms.after_attention or norms.after_mlp),
        "parts of a layer without a norm": not (norms.before_attention and norms.before_mlp),
        "a norm over all heads of Q and K": config.qk_norm == "all",
        "a `residual_multiplier`": config.residual_scale != 1.0,
        "a `final_logit_softcapping`": config.logit_softcap is not None,
    }
    for feature, is_needed in missing.items():
        if is_needed:
            raise ModelError(
                f"{config.architecture} needs {feature}, which Forge does not compute on a GPU yet:"
                " use --backend cpu"
            )
