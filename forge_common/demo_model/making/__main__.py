"""`python -m forge_common.demo_model.making`: text, tokenizer, training, export and score, from
nothing.

Each stage leaves its result in the work directory, and a second run goes on from there. It knows
the order of the stages and their sizes, and no details of any.
"""

from __future__ import annotations

import argparse
import shutil
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer

from forge_common.demo_model import demo_model_path
from forge_common.demo_model.making.bpe import save_tokenizer, train_tokenizer
from forge_common.demo_model.making.corpus import Phase, texts
from forge_common.demo_model.making.evaluate import evaluate, table, write_into
from forge_common.demo_model.making.export import export
from forge_common.demo_model.making.generate import load
from forge_common.demo_model.making.mixture import BROAD, DRILL
from forge_common.demo_model.making.model import Shape
from forge_common.demo_model.making.samples import samples
from forge_common.demo_model.making.train import Recipe, train

TOKENIZER_TEXTS, TOKENIZER_SEED = 40_000, 8
PHASES = (
    Phase(
        BROAD,
        seed=7,
        num_documents=200_000,
        num_steps=900,
        lengths=(64, 96, 128, 192, 256, 384, 768),
    ),
    Phase(
        DRILL,
        seed=9,
        num_documents=150_000,
        num_steps=1400,
        lengths=(32, 48, 64, 96, 128, 192, 256, 384, 768),
    ),
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="making", description="Make the demo model again.")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/demo-model"),
        help="checkpoints and intermediate files",
    )
    parser.add_argument(
        "--assets", type=Path, default=demo_model_path(), help="where the finished files go"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the model first: a third faster, needs a C++ compiler",
    )
    parser.add_argument(
        "--only-score", action="store_true", help="score the files in --assets and stop"
    )
    return parser.parse_args()


def tokenizer_for(work: Path, shape: Shape) -> Tokenizer:
    path = work / "tokenizer"
    if not path.exists():
        sample = islice(texts(TOKENIZER_SEED, BROAD), TOKENIZER_TEXTS)
        save_tokenizer(
            train_tokenizer(sample, shape.vocab_size), path, shape.max_position_embeddings
        )
    return Tokenizer.from_file(str(path / "tokenizer.json"))


def make(chosen: argparse.Namespace) -> None:
    shape, recipe = Shape(), Recipe(PHASES, is_compiled=chosen.compile)
    chosen.work.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_for(chosen.work, shape)
    model = train(tokenizer, shape, recipe, chosen.work / "checkpoint.pt")
    export(model, tokenizer, chosen.assets)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(chosen.work / "tokenizer" / name, chosen.assets / name)


def main() -> None:
    chosen = options()
    torch.set_num_threads(chosen.threads)
    if not chosen.only_score:
        make(chosen)
    chosen.work.mkdir(parents=True, exist_ok=True)
    report = table(evaluate(chosen.assets, chosen.work / "failures.txt"))
    print(report)
    card = chosen.assets.parent / "CARD.md"
    if card.exists():
        write_into(card, "scores", report)
        write_into(card, "samples", samples(*load(chosen.assets)))


if __name__ == "__main__":
    main()
