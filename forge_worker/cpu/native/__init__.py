"""The operations on a CPU in its own vector instructions, compiled when they are first needed."""
