"""What stands in deploy/: that it holds what is promised, and that it runs where engines are."""
