"""engine_for: the engine of a model's grammars, made of its tokenizer when the first grammar comes.

Knows where a model's tokens are, and nothing of who asks for grammars.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from forge_common.checkpoint import model_files

if TYPE_CHECKING:
    from forge_common.grammar.engine import Engine

RARELY = 1000  # collections of the middle generation for each full one

logger = logging.getLogger(__name__)


def engine_for(path: Path) -> Callable[[], Engine]:
    """For the model at `path`."""

    def make() -> Engine:
        from forge_common.grammar.engine import Engine
        from forge_common.grammar.vocabulary import Vocabulary
        from forge_common.tokenizer import Tokenizer

        started = perf_counter()
        files = model_files(path)
        config = files.config()
        end_ids = {*config.eos_token_ids, *files.generation().eos_token_ids}
        tokenizer = Tokenizer.of(files.tokenizer())
        engine = Engine(Vocabulary.of_tokenizer(tokenizer, end_ids, config.vocab_size))
        engine.warm()
        spare_collections()
        seconds = perf_counter() - started
        logger.info("a vocabulary of %d for grammars in %.2f s", config.vocab_size, seconds)
        return engine

    return make


def spare_collections() -> None:
    """Full ones look through all that an engine keeps, for up to a third of a second."""
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], RARELY)
