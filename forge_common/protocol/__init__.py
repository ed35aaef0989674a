"""The messages by which Forge's processes meet: one module a link, and nothing else."""
