"""What the demo model is taught, one module per family; each invents questions and their answers
from a seed.

None of them knows about tokens, chat markup, or how often it will be asked.
"""
