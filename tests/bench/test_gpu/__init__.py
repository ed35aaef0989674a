"""What can be tested of `make bench-gpu` without a GPU: all but the numbers."""
