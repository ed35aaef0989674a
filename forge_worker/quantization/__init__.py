"""Block formats of weights: one file a format or family of them, decoded exactly, some encoded."""
