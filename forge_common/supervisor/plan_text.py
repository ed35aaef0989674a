"""The memory plan as a table for a person. Knows numbers, not how they came about."""

from __future__ import annotations

from forge_common.memory_plan import MemoryPlan
from forge_common.supervisor.progress import bytes_text

LABEL_WIDTH = 12
SIZE_WIDTH = 11


def plan_text(plan: MemoryPlan, model_name: str) -> str:
    """One row a use of memory, then what is left and what it serves."""
    blocks = (
        f"{plan.num_blocks} blocks of {plan.block_size} tokens, {bytes_text(plan.block_bytes)} each"
    )
    rows = [
        ("weights", plan.weights_bytes, plan.weight_format),
        ("workspace", plan.workspace_bytes, "the most one step uses"),
        ("KV cache", plan.kv_bytes, blocks),
        ("reserved", plan.reserved_bytes, plan.reserved_for),
        (
            "total",
            plan.needed_bytes,
            f"of {bytes_text(plan.available_bytes)} on {plan.memory_name}",
        ),
    ]
    lines = [
        f"  {label:<{LABEL_WIDTH}}{bytes_text(size):>{SIZE_WIDTH}}   {remark}"
        for label, size, remark in rows
    ]
    return "\n".join([f"Memory plan for {model_name}", *lines, _context_line(plan)])


def _context_line(plan: MemoryPlan) -> str:
    text = f"  A context holds up to {plan.max_model_len} tokens"
    if plan.max_model_len < plan.longest_context:
        text += f" (the model was made for {plan.longest_context})"
    return f"{text}; all together, {plan.num_kv_tokens}."
