"""Asks the held-out prompts of the exported files, counts right answers for each skill, and writes
them into the card.

It does not know what the model was trained on: `held_out.py` sees to that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from forge_common.demo_model.making.generate import answers, load
from forge_common.demo_model.making.held_out import Item, is_right, items
from forge_common.demo_model.making.markup import renderer

BATCH = 40


class Score(NamedTuple):
    """How many of a skill's prompts were answered rightly, greedily and at the default
    temperature.
    """

    skill: str
    asked: int
    greedy: int
    sampled: int


class Answered(NamedTuple):
    item: Item
    prompt: str
    answer: str

    @property
    def is_right(self) -> bool:
        return is_right(self.item, self.answer)


def ask_all(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    asked: tuple[Item, ...],
    is_greedy: bool,
) -> list[Answered]:
    render, found = renderer(), []
    prompts = [render(item.prompt, True) for item in asked]
    torch.manual_seed(0)
    for start in range(0, len(asked), BATCH):
        part = prompts[start : start + BATCH]
        replies = answers(model, tokenizer, part, is_greedy)
        found += [
            Answered(*triple)
            for triple in zip(asked[start : start + BATCH], part, replies, strict=True)
        ]
    return found


def scores(greedy: list[Answered], sampled: list[Answered]) -> list[Score]:
    skills = dict.fromkeys(answered.item.skill for answered in greedy)
    return [
        Score(skill, count(greedy, skill), right(greedy, skill), right(sampled, skill))
        for skill in skills
    ]


def count(found: Iterable[Answered], skill: str) -> int:
    return sum(answered.item.skill == skill for answered in found)


def right(found: Iterable[Answered], skill: str) -> int:
    return sum(answered.item.skill == skill and answered.is_right for answered in found)


def table(found: list[Score]) -> str:
    total = Score("**all**", *(sum(score[i] for score in found) for i in (1, 2, 3)))
    head = "| skill | prompts | right, greedy | right, default sampling |\n|---|---:|---:|---:|"
    rows = [
        f"| {s.skill} | {s.asked} | {s.greedy} ({s.greedy / s.asked:.0%}) | {s.sampled} ({s.sampled / s.asked:.0%}) |"
        for s in (*found, total)
    ]
    return "\n".join((head, *rows))


def write_into(card: Path, name: str, text: str) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    card.write_text(pattern.sub(lambda match: f"{match[1]}{text}\n{match[2]}", card.read_text()))


def evaluate(directory: Path, failures: Path) -> list[Score]:
    """Scores the files in `directory`; every wrong greedy answer goes to `failures` to be read."""
    model, tokenizer = load(directory)
    asked = items()
    greedy, sampled = (ask_all(model, tokenizer, asked, is_greedy) for is_greedy in (True, False))
    wrong = [answered for answered in greedy if not answered.is_right]
    failures.write_text(
        "\n".join(
            f"# {w.item.skill}\n{w.prompt}\n{w.answer}\n(expected {w.item.talk.expected})\n"
            for w in wrong
        )
    )
    return scores(greedy, sampled)
