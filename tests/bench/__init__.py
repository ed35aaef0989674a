"""Measurements by command (`make bench`), never by a timed test."""
