"""What happens to every request, one concern a module; `app.py` puts them in order."""
