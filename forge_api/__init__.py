"""The HTTP edge: text in, text out. Knows requests and replies; no batches, blocks or arrays."""
