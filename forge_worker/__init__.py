"""Computes what it is told: arrays only. Knows sequences and blocks; no requests or clients."""
