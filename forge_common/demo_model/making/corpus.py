"""The training corpus as token ids, with a mark on each token the model is to predict, cut into
even batches.

Only the assistant's words (and plain text) are learned. It does not know the model or how it is
trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from forge_common.demo_model.making.held_out import forbidden_questions
from forge_common.demo_model.making.markup import END_OF_TEXT, TURN_END, TURN_START, renderer
from forge_common.demo_model.making.mixture import Mixture, conversations
from forge_common.demo_model.making.skills.plain_text import plain_text

PLAIN_SHARE = 0.03
SORTED_KEYS_SHARE = 0.15


@dataclass(frozen=True)
class Document:
    """`token_ids` (n,) uint16; `is_learned` (n,) bool: whether this token is a target."""

    token_ids: NDArray[np.uint16]
    is_learned: NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingBatch:
    """Rows of one padded length. token_ids (rows, length) int64; is_learned (rows, length) bool."""

    token_ids: NDArray[np.int64]
    is_learned: NDArray[np.bool_]


def texts(seed: int, mixture: Mixture) -> Iterator[str]:
    """Endless training texts; conversations and, now and then, plain text that ends itself."""
    rng = Random(seed)
    talks = conversations(seed + 1, mixture, forbidden_questions())
    keep, sort = renderer(), renderer(sort_keys=True)
    while True:
        if rng.random() < PLAIN_SHARE:
            yield plain_text(rng) + END_OF_TEXT
        else:
            render = sort if rng.random() < SORTED_KEYS_SHARE else keep
            yield render(next(talks), False)


@dataclass(frozen=True)
class Phase:
    """A stretch of training on one corpus. `lengths` are the row lengths that batches are padded to,
    ascending; longer documents are left out.
    """

    mixture: Mixture
    seed: int
    num_documents: int
    num_steps: int
    lengths: tuple[int, ...]


def documents(tokenizer: Tokenizer, phase: Phase) -> list[Document]:
    """The documents of one phase, less the few that are longer than its longest row."""
    stream = islice(texts(phase.seed, phase.mixture), phase.num_documents)
    longest = phase.lengths[-1]
    found: list[Document] = []
    while chunk := list(islice(stream, 4096)):
        encoded = tokenizer.encode_batch_fast(chunk)
        found += (document(tokenizer, item.ids) for item in encoded if len(item.ids) <= longest)
    return found


def document(tokenizer: Tokenizer, ids: list[int]) -> Document:
    token_ids = np.array(ids, np.uint16)
    start, end = tokenizer.token_to_id(TURN_START), tokenizer.token_to_id(TURN_END)
    if ids[0] != start:
        return Document(token_ids, np.ones(len(ids), bool))
    assistant = tokenizer.encode("assistant\n").ids
    return Document(token_ids, answers(ids, [start, *assistant], end))


def answers(ids: list[int], opening: list[int], end: int) -> NDArray[np.bool_]:
    """True from just behind each `opening` up to and including the end of that turn."""
    learned = np.zeros(len(ids), bool)
    for index in range(len(ids)):
        if ids[index : index + len(opening)] == opening:
            first = index + len(opening)
            learned[first : ids.index(end, first) + 1] = True
    return learned


def batches(
    found: list[Document], lengths: tuple[int, ...], rng: Random, num_tokens: int, padding: int
) -> Iterator[TrainingBatch]:
    """One pass over all documents, in random order, each batch about `num_tokens` tokens of rows
    of like length.
    """
    by_length: dict[int, list[Document]] = {length: [] for length in lengths}
    for item in found:
        by_length[next(length for length in lengths if length >= len(item.token_ids))].append(item)
    groups = []
    for length, members in by_length.items():
        rng.shuffle(members)
        rows = num_tokens // length
        groups += [(length, members[i : i + rows]) for i in range(0, len(members) - rows + 1, rows)]
    rng.shuffle(groups)
    return (padded(members, length, padding) for length, members in groups)


def padded(members: list[Document], length: int, padding: int) -> TrainingBatch:
    token_ids = np.full((len(members), length), padding, np.int64)
    is_learned = np.zeros((len(members), length), bool)
    for row, item in enumerate(members):
        token_ids[row, : len(item.token_ids)] = item.token_ids
        is_learned[row, : len(item.token_ids)] = item.is_learned
    return TrainingBatch(token_ids, is_learned)
