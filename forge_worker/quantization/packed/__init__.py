"""Weights told by several tensors: integers or bytes, scales, zero points, the order of groups."""
