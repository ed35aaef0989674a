"""Structured output: what a request asks of its text, compiled before the scheduler sees it.

    fields     a body's fields → what is asked: one GrammarSpec
    grammars   cached, compiled once for all who wait, on the event loop only to wait
    compiler   the threads that ask confined processes     process   what these run

Knows nothing of tokens: masks are the worker's.
"""
