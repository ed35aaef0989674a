"""From logits to tokens, in the order of SamplingParams: rules, temperature, filters, choice.

    logit_rules   penalties, bias and bans       filters   top-k, top-p, min-p
    table         one row of parameters a sequence          choice    the draw itself
    sampler       all of it over a batch, in slabs that fit a cache

What a row gets depends on that row alone: no arithmetic crosses rows. Knows nothing of requests,
text, or models.
"""
