"""Regular parts of grammars as deterministic automata over bytes, made state by state.

    pattern text ──▶ skeleton (interegular) ──▶ NFA over symbols ──▶ states over symbols ─┐
    code points ──▶ symbols ──▶ spellings: UTF-8, JSON escapes ───────────────────────────┴▶ bytes
    numbers, literals ────────────────────────────────────────────────────────────────────▶ bytes

A state is worked out when it is first asked for and kept; a budget bounds how many there may be.
Knows nothing of schemas, tokens or masks.
"""
