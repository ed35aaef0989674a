"""The KV cache as integers: which blocks exist, whose they are, and what they may be reused for."""
