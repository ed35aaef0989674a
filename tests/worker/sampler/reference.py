"""The sampler's stages once more: one row, float64, plain loops, nothing shared with the source."""

from __future__ import annotations

import math

from forge_common.sampling import SamplingParams


def ruled(logits: list[float], params: SamplingParams, prompt: list[int], output: list[int]):
    """Logits after penalties, bias and bans."""
    result = list(logits)
    for token_id in set(prompt) | set(output):
        value, count = result[token_id], output.count(token_id)
        r = params.repetition_penalty
        value = value / r if value > 0 else value * r
        result[token_id] = (
            value - params.frequency_penalty * count - params.presence_penalty * (count > 0)
        )
    for token_id, bias in params.logit_bias.items():
        result[token_id] += bias
    for token_id in banned(params, output):
        result[token_id] = -math.inf
    if params.allowed_token_ids is not None:
        for token_id in set(range(len(result))) - set(params.allowed_token_ids):
            result[token_id] = -math.inf
    return result


def banned(params: SamplingParams, output: list[int]) -> set[int]:
    tokens = set()
    if len(output) < params.min_tokens:
        tokens |= set(params.eos_token_ids) | set(params.stop_token_ids)
    for word in params.bad_words:
        start = list(word[:-1])
        if output[len(output) - len(start) :] == start:
            tokens.add(word[-1])
    return tokens


def surviving(logits: list[float], params: SamplingParams) -> set[int]:
    """Tokens that may be chosen after temperature, top-k, top-p and min-p."""
    order = sorted(range(len(logits)), key=lambda t: (-logits[t], t))
    best = logits[order[0]]
    masses = [math.exp((value - best) / params.temperature) for value in logits]
    kept = order[: params.top_k or len(order)]
    total, reached, nucleus = sum(masses[t] for t in kept), 0.0, []
    for token_id in kept:
        if params.top_p < 1.0 and reached >= params.top_p * total:
            break
        nucleus.append(token_id)
        reached += masses[token_id]
    return {t for t in nucleus if masses[t] > 0 and masses[t] >= params.min_p}
