"""What it takes to use each route, by the canonical name of the resource it was matched to.

A route that is named nowhere here needs a key; so does a path that matches none. Everything that
may be had without a key is the one set PUBLIC.
"""

from __future__ import annotations

PROBES = frozenset({"/livez", "/readyz", "/health"})
PAGE = frozenset({"/", "/web/{name}"})  # what it asks of the API carries a key
PUBLIC = PROBES | PAGE
ADMIN = frozenset({"/forge/v1/admin/drain", "/forge/v1/admin/keys"})
# Those that compute for a client: limits count them, and a key must be allowed the model.
METERED = frozenset({"/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize"})
