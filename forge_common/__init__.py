"""What the processes share: messages, settings, model files, the supervisor. Imports no role."""
