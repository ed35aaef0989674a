"""Tests of what `make bench-grammar` is made of; its numbers are not among them."""
