"""Processes for what strangers make costly: one question at a time, little time, memory and rights.

API process ──question──▶ confined process (no files, no sockets, bounded CPU time and memory)
            ◀──answer────
"""
