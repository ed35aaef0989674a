"""The engine: which tokens a grammar allows next, worked out lazily and shared by all requests.

    Program ──compiler──▶ machines, one a rule: readers (bytes), structures (calls)
                               │ places: where a machine stands
                               ▼
    stacks: who called ──▶   walks: place × nodes of the vocabulary's trie ──▶ tokens, leftover
           │                   │
           ▼                   ▼
         State ─────────▶    mask = the walks of what may be running, and of what comes behind it
           │ byte, token
           ▼
         State

A walk knows no stack. So recursion, nesting and counts multiply nothing, and a part that is common
to many grammars is walked once. All that is worked out is cached under one budget (`memory`) and
may be forgotten. Knows nothing of schemas, requests or models.
"""

from forge_common.grammar.engine.engine import Engine
from forge_common.grammar.engine.state import State

__all__ = ["Engine", "State"]
