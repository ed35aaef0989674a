"""The operations a model is written against, whatever computes them."""
