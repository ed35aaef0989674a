"""The files of models: config, sampling defaults and tensors, read without executing anything."""

from forge_common.checkpoint.checkpoint import Checkpoint
from forge_common.checkpoint.generation_config import GenerationDefaults
from forge_common.checkpoint.model_config import Experts, ModelConfig
from forge_common.checkpoint.model_files import ModelFiles, model_files
from forge_common.checkpoint.tensor_info import TensorInfo

__all__ = [
    "Checkpoint",
    "Experts",
    "GenerationDefaults",
    "ModelConfig",
    "ModelFiles",
    "TensorInfo",
    "model_files",
]
