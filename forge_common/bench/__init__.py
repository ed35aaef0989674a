"""`forge-bench`: drives any OpenAI-compatible server over HTTP, and reports how it did."""
