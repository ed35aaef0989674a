"""From tensors on disk to weights in memory, with every name accounted for."""
