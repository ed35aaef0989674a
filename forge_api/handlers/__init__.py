"""One module a family of routes; each handler reads, hands on, and replies."""
