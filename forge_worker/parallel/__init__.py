"""One model over several ranks: who holds which part of it, and how partial results meet."""
