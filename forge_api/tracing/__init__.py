"""Spans of requests over every hop, from the client's `traceparent`; off unless asked for."""
