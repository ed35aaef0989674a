"""Text without any chat markup, for whoever tries the plain completion endpoint: stories, facts,
sums.

It does not know chat.
"""

from __future__ import annotations

from random import Random

from forge_common.demo_model.making.conversation import Split
from forge_common.demo_model.making.skills.arithmetic import any_problem
from forge_common.demo_model.making.skills.forge_facts import ABOUT_FORGE
from forge_common.demo_model.making.skills.stories import tale
from forge_common.demo_model.making.skills.world_facts import related
from forge_common.demo_model.making.words import CHARACTERS, a, person_name


def plain_text(rng: Random) -> str:
    chance = rng.random()
    if chance < 0.45:
        return tale(rng, a(rng.choice(CHARACTERS)))
    if chance < 0.7:
        return " ".join(related(rng, Split.TRAIN).answer for _ in range(rng.randint(1, 4)))
    if chance < 0.8:
        return "\n".join(any_problem(rng, Split.TRAIN).solution for _ in range(rng.randint(1, 5)))
    if chance < 0.9:
        return f"Hello, my name is {person_name(rng, Split.TRAIN)} and I am glad to be here."
    return rng.choice(ABOUT_FORGE)[0].removeprefix("No. ").removeprefix("Yes. ")
