"""`make bench-cpu`: the CPU worker beside llama.cpp, run alternately on the same numbers."""
