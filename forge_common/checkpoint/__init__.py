"""Model directories: config, sampling defaults and tensors, read without executing anything."""

from forge_common.checkpoint.checkpoint import Checkpoint
from forge_common.checkpoint.generation_config import GenerationDefaults
from forge_common.checkpoint.model_config import Experts, ModelConfig
from forge_common.checkpoint.safetensors import TensorInfo

__all__ = ["Checkpoint", "Experts", "GenerationDefaults", "ModelConfig", "TensorInfo"]
