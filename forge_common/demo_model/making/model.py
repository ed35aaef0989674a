"""A Llama decoder, only as much of it as training needs: no cache, right-padded batches, every row
starts at position 0.

Parameter names are those of HuggingFace's `LlamaForCausalLM`, so the trained state dict is the
checkpoint. It does not know the tokenizer, the corpus, or how it is optimised.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes of the demo model. The sum of all weights in bfloat16 must stay under 8 MB with the
    tokenizer beside it.
    """

    vocab_size: int = 2048
    hidden_size: int = 256
    intermediate_size: int = 480
    num_hidden_layers: int = 6
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    max_position_embeddings: int = 2048
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


class Rope:
    """Rotary angles, half-split as HuggingFace lays them out (RoFormer, arXiv:2104.09864)."""

    def __init__(self, shape: Shape) -> None:
        frequency = shape.rope_theta ** (
            -torch.arange(0, shape.head_dim, 2).float() / shape.head_dim
        )
        angle = torch.arange(shape.max_position_embeddings).float()[:, None] * frequency[None, :]
        self.cos = torch.cat([angle.cos(), angle.cos()], dim=-1)
        self.sin = torch.cat([angle.sin(), angle.sin()], dim=-1)

    def __call__(self, x: Tensor) -> Tensor:
        """x: (batch, heads, length, head_dim), rotated by position 0..length-1."""
        length = x.shape[-2]
        low, high = x.chunk(2, dim=-1)
        turned = torch.cat([-high, low], dim=-1)
        return x * self.cos[:length].to(x.dtype) + turned * self.sin[:length].to(x.dtype)


def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Grouped-query attention as two plain batched products; (batch, heads, length, head_dim) in
    and out.

    At these short lengths this trains twice as fast on a CPU as PyTorch's fused attention, whose
    backward is slow there.
    """
    batch, heads, length, width = query.shape
    group = heads // key.shape[1]
    folded = query.reshape(batch, key.shape[1], group * length, width) * width**-0.5
    future = torch.full((length, length), float("-inf"), dtype=query.dtype).triu(1).repeat(group, 1)
    weights = torch.softmax(folded @ key.transpose(-1, -2) + future, dim=-1, dtype=query.dtype)
    return (weights @ value).view(batch, heads, length, width)


class Attention(nn.Module):
    def __init__(self, shape: Shape, rope: Rope) -> None:
        super().__init__()
        hidden, kv = shape.hidden_size, shape.num_key_value_heads * shape.head_dim
        self.q_proj = nn.Linear(hidden, hidden, bias=False)
        self.k_proj = nn.Linear(hidden, kv, bias=False)
        self.v_proj = nn.Linear(hidden, kv, bias=False)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)
        self.shape, self.rope = shape, rope

    def forward(self, x: Tensor) -> Tensor:
        batch, length, hidden = x.shape
        query, key, value = (
            projection(x).view(batch, length, -1, self.shape.head_dim).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = causal_attention(self.rope(query), self.rope(key), value)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, hidden))


class MLP(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape: Shape, rope: Rope) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.self_attn = Attention(shape, rope)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.mlp = MLP(shape)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        rope = Rope(shape)
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape, rope) for _ in range(shape.num_hidden_layers))
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)

    def forward(self, token_ids: Tensor) -> Tensor:
        x = self.embed_tokens(token_ids).to(torch.bfloat16)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class DemoLlama(nn.Module):
    """Tied embeddings: the output projection is `model.embed_tokens`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        self.apply(self._start_small)

    def _start_small(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(
                module.weight,
                std=0.02
                if isinstance(module, nn.Embedding)
                else module.weight.shape[1] ** -0.5 / 2,
            )

    def forward(self, token_ids: Tensor) -> Tensor:
        """(batch, length) int64 → hidden states (batch, length, hidden) after the last norm."""
        return self.model(token_ids)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.model.embed_tokens.weight.to(hidden.dtype)).float()
