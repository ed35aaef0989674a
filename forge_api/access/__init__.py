"""Who may do what, and how much of it: keys, the rights of routes, limits by key."""
