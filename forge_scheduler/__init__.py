"""Decides what runs next: integers only. Knows tokens as ids; no text, arrays or HTTP."""
