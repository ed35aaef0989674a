"""How the demo model is made, from nothing. Needs torch; nothing that serves imports this package."""
