"""Every process × every fault, on real processes: what is disturbed, and what is not."""
