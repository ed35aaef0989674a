"""Measurements on a GPU by command (`make bench-gpu`): a table, and a JSON file for the log."""
