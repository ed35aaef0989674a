"""Architectures as compositions of layers, and which checkpoint needs which."""
