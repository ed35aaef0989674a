"""JSON Schema, compiled to a Program that allows exactly its values, or refused.

    documents   places, references, drafts     meanings     facts, terms and choices of a schema
    expansion   choices multiplied out         branches     what is left of each kind of value
    emptiness   which schemas exclude others   evaluation   whether a known value fulfils a schema
    compiler    branches as rules: objects, arrays, constants

Knows no tokens and no requests.
"""
