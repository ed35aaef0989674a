"""Grammars: which texts a request allows, and which tokens may come next.

    schema, regex, choice, EBNF ──compile──▶ Program ──Engine──▶ State: mask, advance, …

A Program is data: it is made and checked where requests are parsed, and crosses processes. Masks
are computed where tokens are drawn. Knows nothing of requests, models or batches.
"""
