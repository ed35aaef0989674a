"""JSON Schema, compiled to a Program that allows exactly its values, or refused.

    documents    places, references, drafts      assertions   keywords read into facts
    positives, negations, meanings               what a schema says that is fulfilled, or is not
    expansion    choices multiplied out          branches     what is left of each kind of value
    emptiness    which schemas exclude others    evaluation   whether a known value fulfils one
    compiler     branches as rules: objects, arrays, constants

Formats hold for strings; one that no standard of JSON Schema names is an annotation. So is every
word that is no keyword, and a keyword of a later draft than `$schema` names. Other keys of an
object may come twice, as parsers of JSON allow. Knows no tokens and no requests.
"""
