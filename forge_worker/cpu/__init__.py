"""The operations on a CPU: NumPy, the reference."""
