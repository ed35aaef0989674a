"""Prompts: the same for the same seed, of the lengths asked for, from files too."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.bench.dataset_spec import Jsonl, SharedPrefix, Synthetic, dataset_spec
from forge_common.bench.prompts import Prompt, prompts_of
from forge_common.bench.word_scale import Probe, WordScale, word_scale
from forge_common.errors import ConfigError

SCALE = WordScale()


def words(prompt: Prompt) -> list[str]:
    assert isinstance(prompt.content, str)
    return prompt.content.split()


def test_data_sets_are_read_from_a_line() -> None:
    assert dataset_spec("synthetic:in=10,out=5,spread=0.5") == Synthetic(10, 5, 0.5)
    assert dataset_spec("synthetic") == Synthetic()
    assert dataset_spec("shared-prefix:prefix=100,groups=3") == SharedPrefix(100, 3)
    assert dataset_spec("jsonl:a.jsonl,out=9") == Jsonl("a.jsonl", 9)


@pytest.mark.parametrize(
    "text",
    ["", "sharegpt:x", "synthetic:in=0", "synthetic:in=many", "synthetic:inn=3", "jsonl",
     "synthetic:spread=2"],
)  # fmt: skip
def test_what_is_no_data_set_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--dataset"):
        dataset_spec(text)


def test_synthetic_prompts_have_their_length_and_differ() -> None:
    prompts = prompts_of(Synthetic(50, 7), SCALE, "0")
    made = [prompts.prompt(index) for index in range(20)]
    assert {len(words(prompt)) for prompt in made} == {50}
    assert {prompt.max_output_tokens for prompt in made} == {7}
    assert len({str(prompt.content) for prompt in made}) == 20


def test_prompt_is_a_function_of_seed_and_number() -> None:
    first, again = (prompts_of(Synthetic(), SCALE, "0") for _ in range(2))
    again.prompt(5)
    assert first.prompt(3) == again.prompt(3)
    assert first.prompt(3) != prompts_of(Synthetic(), SCALE, "1").prompt(3)


def test_short_prompt_is_not_the_beginning_of_a_long_one() -> None:
    short, long = (prompts_of(Synthetic(size), SCALE, "0").prompt(0) for size in (20, 200))
    assert words(long)[:20] != words(short)


def test_spread_lengths_stay_within_and_reach_both_ends() -> None:
    prompts = prompts_of(Synthetic(10, 20, 0.5), SCALE, "0")
    made = [prompts.prompt(index) for index in range(500)]
    assert {len(words(prompt)) for prompt in made} == set(range(5, 16))
    assert {prompt.max_output_tokens for prompt in made} == set(range(10, 31))


def test_prefixes_are_shared_by_groups_and_the_rest_is_not() -> None:
    prompts = prompts_of(SharedPrefix(30, 3, 8, 4), SCALE, "0")
    made = [words(prompts.prompt(index)) for index in range(60)]
    assert len({tuple(each[:30]) for each in made}) == 3
    assert len({tuple(each[30:]) for each in made}) == 60


def test_words_follow_from_what_a_server_counts() -> None:
    scale = word_scale([Probe(40, 70), Probe(200, 310)])
    assert (scale.tokens_per_word, scale.num_fixed_tokens) == (1.5, 10)
    assert scale.num_words(160) == 100
    assert scale.num_more_words(15) == 10


@pytest.mark.parametrize("probes", [[], [Probe(40, 5)], [Probe(40, 5), Probe(200, 5)]])
def test_words_are_tokens_where_nothing_was_learned(probes: list[Probe]) -> None:
    assert word_scale(probes) == WordScale(1.0, 0.0, False)


def test_lines_of_a_file_are_taken_in_turn(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(
        '{"prompt": "one", "max_tokens": 3, "id": 8}\n\n'
        '{"messages": [{"role": "user", "content": "two"}]}\n'
    )
    prompts = prompts_of(Jsonl(str(file), 9), SCALE, "0")
    assert prompts.prompt(0) == prompts.prompt(2) == Prompt("one", 3)
    assert prompts.prompt(1) == Prompt([{"role": "user", "content": "two"}], 9)


@pytest.mark.parametrize("line", ["{", "3", '{"text": "x"}', '{"prompt": 3}', '{"messages": []}'])
def test_bad_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "fine"}\n' + line + "\n")
    with pytest.raises(ConfigError, match="line 2"):
        prompts_of(Jsonl(str(file)), SCALE, "0")


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        prompts_of(Jsonl(str(tmp_path / "none")), SCALE, "0")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="no prompts"):
        prompts_of(Jsonl(str(tmp_path / "empty")), SCALE, "0")
