"""Writes the golden fixtures: tiny random models, and what HuggingFace transformers makes of them.

Needs torch and transformers; run by `make golden`. The tests read only what it wrote:

    models/<name>/            config.json, model.safetensors (or shards and an index)
    models/<name>/golden.npz  prompt_<i>, logits_<i> (last position), greedy_<i> (64 tokens),
                              dense_logits (all positions of DENSE_PROMPT) and, for half precision,
                              native_logits (likewise, computed in the format itself)

Weights are drawn wide enough that greedy choices have healthy margins. Dynamic rope is run token by
token, because HuggingFace's result depends on how a prompt beyond the trained length is cut.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import (
    Cohere2Config,
    Cohere2ForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

MODELS = Path(__file__).parent / "models"
VOCAB_SIZE = 96
PROMPT_LENGTHS = (1, 7, 16, 33, 70)
DENSE_PROMPT = 3
NUM_GREEDY = 64
SMALL = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}
ROPE = {"rope_theta": 10000.0}


class Recipe(NamedTuple):
    name: str
    model_class: type[PreTrainedModel]
    config_class: type
    changes: dict[str, Any]
    dtype: torch.dtype = torch.float32
    max_shard_size: str = "1GB"
    old_config: bool = False  # rewrite rope fields as transformers 4 did


def llama(name: str, changes: dict[str, Any], **how: Any) -> Recipe:
    return Recipe(name, LlamaForCausalLM, LlamaConfig, changes, **how)


def qwen2(name: str, **how: Any) -> Recipe:
    return Recipe(name, Qwen2ForCausalLM, Qwen2Config, {}, **how)


def phi3_longrope(name: str, trained_length: int) -> Recipe:
    rope = {**LONGROPE, "original_max_position_embeddings": trained_length}
    changes = {**PHI3, "rope_parameters": rope, "tie_word_embeddings": True}
    changes["original_max_position_embeddings"] = trained_length
    return Recipe(name, Phi3ForCausalLM, Phi3Config, changes)


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN_ROPE = {
    **ROPE,
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 64,
}

GEMMA = {"head_dim": 16, "query_pre_attn_scalar": 24, "sliding_window": 12, "pad_token_id": 0}
LONGROPE = {
    **ROPE,
    "rope_type": "longrope",
    "partial_rotary_factor": 0.75,
    "attention_factor": 1.2,
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.5, 2.0],
    "long_factor": [1.0, 1.4, 2.1, 3.3, 4.5, 6.0],
}
PHI3 = {"pad_token_id": 0}
EXPERTS = {"num_experts_per_tok": 2, "norm_topk_prob": True, "moe_intermediate_size": 24}

RECIPES = (
    llama("llama2", {"num_key_value_heads": 4}, old_config=True),
    llama("llama3", {"rope_parameters": LLAMA3_ROPE}, old_config=True),
    llama("tinyllama", {"num_key_value_heads": 1, "rms_norm_eps": 1e-5}, max_shard_size="50KB"),
    llama("llama_biased", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
    llama("rope_linear", {"rope_parameters": {**ROPE, "rope_type": "linear", "factor": 2.0}}),
    llama(
        "rope_dynamic",
        {
            "rope_parameters": {**ROPE, "rope_type": "dynamic", "factor": 2.0},
            "max_position_embeddings": 48,
        },
    ),
    llama("rope_yarn", {"rope_parameters": YARN_ROPE}, old_config=True),
    Recipe("mistral", MistralForCausalLM, MistralConfig, {"sliding_window": 12}),
    qwen2("qwen2"),
    Recipe(
        "qwen2_sliding",
        Qwen2ForCausalLM,
        Qwen2Config,
        {"use_sliding_window": True, "sliding_window": 20, "max_window_layers": 1},
    ),
    Recipe("qwen3", Qwen3ForCausalLM, Qwen3Config, {"head_dim": 16, "tie_word_embeddings": True}),
    llama("llama_bf16", {}, dtype=torch.bfloat16),
    llama("llama_f16", {}, dtype=torch.float16),
    qwen2("qwen2_bf16", dtype=torch.bfloat16),
    qwen2("qwen2_f16", dtype=torch.float16),
    Recipe(
        "gemma2",
        Gemma2ForCausalLM,
        Gemma2Config,
        {
            **GEMMA,
            "attn_logit_softcapping": 5.0,
            "final_logit_softcapping": 3.0,
            "tie_word_embeddings": True,
        },
    ),
    Recipe(
        "gemma3",
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        {
            **GEMMA,
            "layer_types": ["sliding_attention", "full_attention"],
            "rope_parameters": {
                "sliding_attention": {**ROPE, "rope_type": "default"},
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            },
        },
    ),
    Recipe("phi3", Phi3ForCausalLM, Phi3Config, {**PHI3, "sliding_window": 20}),
    # HuggingFace chooses the divisors by the length so far, Forge by the longest that is served.
    phi3_longrope("phi3_short", 256),
    phi3_longrope("phi3_long", 1),
    Recipe("olmo2", Olmo2ForCausalLM, Olmo2Config, {}),
    Recipe(
        "granite",
        GraniteForCausalLM,
        GraniteConfig,
        {
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.11,
            "residual_multiplier": 0.4,
            "logits_scaling": 1.7,
        },
    ),
    Recipe(
        "smollm3", SmolLM3ForCausalLM, SmolLM3Config, {"no_rope_layers": [0, 1], "pad_token_id": 0}
    ),
    Recipe(
        "mixtral",
        MixtralForCausalLM,
        MixtralConfig,
        {"num_local_experts": 5, "num_experts_per_tok": 2},
    ),
    Recipe(
        "qwen3_moe",
        Qwen3MoeForCausalLM,
        Qwen3MoeConfig,
        {
            **EXPERTS,
            "head_dim": 16,
            "num_experts": 6,
            "num_hidden_layers": 3,
            "mlp_only_layers": [1],
        },
    ),
    Recipe(
        "cohere2",
        Cohere2ForCausalLM,
        Cohere2Config,
        {
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "num_hidden_layers": 3,
            "sliding_window": 12,
            "logit_scale": 0.25,
            "pad_token_id": 0,
            "tie_word_embeddings": True,
        },
    ),
)


def main(names: Collection[str]) -> None:
    """Those of `names`, or all."""
    for seed, recipe in enumerate(RECIPES):
        if names and recipe.name not in names:
            continue
        directory = MODELS / recipe.name
        shutil.rmtree(directory, ignore_errors=True)
        build(recipe, seed).save_pretrained(directory, max_shard_size=recipe.max_shard_size)
        (directory / "generation_config.json").unlink(missing_ok=True)
        if recipe.old_config:
            rewrite_as_transformers_4(directory / "config.json")
        np.savez(directory / "golden.npz", **reference(recipe, directory))
        print(recipe.name, sum(f.stat().st_size for f in directory.iterdir()), "bytes")


def build(recipe: Recipe, seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    model = recipe.model_class(recipe.config_class(**{**SMALL, **recipe.changes}))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("norm.weight"):
                weight.normal_(0.0 if recipe.name.startswith("gemma") else 1.0, 0.2)
            elif weight.ndim == 1:
                weight.normal_(0.0, 0.3)
            else:
                weight.normal_(0.0, 1.2 * weight.shape[-1] ** -0.5)
    return model.to(recipe.dtype)


def rewrite_as_transformers_4(path: Path) -> None:
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["torch_dtype"] = config.pop("dtype")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def reference(recipe: Recipe, directory: Path) -> dict[str, np.ndarray]:
    """What the saved files mean, computed in float32."""
    model = load(recipe, directory, torch.float32)
    generator = np.random.default_rng(7)
    arrays: dict[str, np.ndarray] = {}
    for index, length in enumerate(PROMPT_LENGTHS):
        prompt = generator.integers(3, VOCAB_SIZE, length).tolist()
        logits = all_logits(model, prompt)
        arrays[f"prompt_{index}"] = np.array(prompt, np.int32)
        arrays[f"logits_{index}"] = logits[-1]
        arrays[f"greedy_{index}"] = np.array(greedy(model, prompt), np.int32)
        if index == DENSE_PROMPT:
            arrays["dense_logits"] = logits
            if recipe.dtype != torch.float32:
                arrays["native_logits"] = all_logits(load(recipe, directory, recipe.dtype), prompt)
    return arrays


def load(recipe: Recipe, directory: Path, dtype: torch.dtype) -> PreTrainedModel:
    model = recipe.model_class.from_pretrained(directory, dtype=dtype, attn_implementation="eager")
    return model.eval()


@torch.no_grad()
def all_logits(model: PreTrainedModel, token_ids: list[int]) -> np.ndarray:
    if model.config.rope_parameters.get("rope_type") != "dynamic":
        logits = model(torch.tensor([token_ids]), use_cache=False).logits[0]
        return logits.float().numpy()
    rows, cache = [], None
    for token_id in token_ids:
        output = model(torch.tensor([[token_id]]), past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        rows.append(output.logits[0, -1].float().numpy())
    return np.stack(rows)


def greedy(model: PreTrainedModel, prompt: list[int]) -> list[int]:
    token_ids = list(prompt)
    for _ in range(NUM_GREEDY):
        token_ids.append(int(all_logits(model, token_ids)[-1].argmax()))
    return token_ids[len(prompt) :]


if __name__ == "__main__":
    main(sys.argv[1:])
