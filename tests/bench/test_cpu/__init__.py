"""Tests of what `make bench-cpu` is made of; its numbers are not among them."""
