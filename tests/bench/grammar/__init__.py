"""`make bench-grammar`: what structured output costs, beside other engines of the kind."""
