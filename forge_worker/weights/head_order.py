"""In which order a head's dimensions lie in memory, so that every rope turns the same pairs.

Checkpoints pair dimension i of the turned ones with i + num_dims / 2. Where a rope turns only part
of a head, its pairs would lie elsewhere than where a whole head has them; so queries and keys of
such a model are kept in another order, the same for both, which changes no product of the two:

    stored    [ a a a b b b . . ]    a and b are turned, · keep still
    in memory [ a a a . b b b . ]    a pair is i and i + head_dim / 2 again

Some families pair neighbours, 2i and 2i + 1, which come apart:

    stored    [ a b a b a b ]
    in memory [ a a a b b b ]

Knows dimensions of heads, not tensors' names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Order = npt.NDArray[np.int64]


def head_order(head_dim: int, num_turned: int, pairs_neighbours: bool = False) -> Order | None:
    """Which stored dimension comes to each place; None where all stay."""
    if num_turned == 0 or (num_turned == head_dim and not pairs_neighbours):
        return None
    turned, still = np.arange(num_turned), np.arange(num_turned, head_dim)
    if pairs_neighbours:
        turned = turned.reshape(-1, 2).T.ravel()
    halves = [np.split(part, 2) for part in (turned, still)]
    return np.concatenate([part[half] for half in (0, 1) for part in halves])


def reorder(rows: npt.NDArray[Any], order: Order) -> npt.NDArray[Any]:
    """A copy of `rows` [num_heads · head_dim, ...], each head in its order."""
    heads = rows.reshape(-1, len(order), *rows.shape[1:])
    return heads[:, order].reshape(rows.shape)
