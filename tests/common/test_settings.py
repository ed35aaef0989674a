"""Where a value may come from, which one wins, and what a wrong one is answered with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from forge_common.command_line import make_command, parse_flags
from forge_common.config import ApiConfig, LaunchConfig, SchedulerConfig, WorkerConfig
from forge_common.errors import ConfigError, ModelError
from forge_common.settings import exit_code_of, load_config, run_role, unknown_variables
from forge_common.settings_schema import settings_of, settings_table, to_environment


def config_from(
    *argv: str, environment: dict[str, str] | None = None, toml: Path | None = None
) -> LaunchConfig:
    arguments = [*argv, *(["--config", str(toml)] if toml else [])]
    flags = parse_flags(make_command(LaunchConfig, "help"), arguments, "forge-launch")
    return load_config(LaunchConfig, flags, environment or {})


@pytest.fixture
def write_toml(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "forge.toml"
        path.write_text(text)
        return path

    return write


WriteToml = Callable[[str], Path]


def test_nothing_stated_means_the_defaults() -> None:
    assert config_from() == LaunchConfig()


def test_flag_beats_environment_beats_file_beats_default(write_toml: WriteToml) -> None:
    toml = write_toml("[batch]\nmax_batch_size = 3\nmax_prefill_tokens = 30\n[http]\nport = 300\n")
    environment = {"FORGE_MAX_BATCH_SIZE": "2", "FORGE_MAX_PREFILL_TOKENS": "20"}
    config = config_from("--max-batch-size", "1", environment=environment, toml=toml)
    assert config.batch.max_batch_size == 1
    assert config.batch.max_prefill_tokens == 20
    assert config.http.port == 300
    assert config.cache.block_size == 16


def test_file_can_be_named_in_the_environment(write_toml: WriteToml) -> None:
    toml = write_toml("[http]\nport = 300\n")
    assert config_from(environment={"FORGE_CONFIG": str(toml)}).http.port == 300


def test_switches_have_a_yes_and_a_no() -> None:
    assert config_from("--strict-params").http.strict_params
    assert not config_from("--no-overlap").batch.overlap
    assert config_from("--overlap", environment={"FORGE_OVERLAP": "off"}).batch.overlap


@pytest.mark.parametrize(
    ("words", "is_on"), [("on yes true 1 ON True", True), ("off no false 0 Off", False)]
)
def test_switch_can_be_a_word_in_the_environment(words: str, is_on: bool) -> None:
    for word in words.split():
        config = config_from(environment={"FORGE_OVERLAP": word, "FORGE_STRICT_PARAMS": word})
        assert (config.batch.overlap, config.http.strict_params) == (is_on, is_on)


def test_other_word_for_a_switch_is_answered_with_the_legal_ones() -> None:
    sentence = "FORGE_OVERLAP: expected one of on, off, yes, no, true, false, 1, 0, got nope"
    with pytest.raises(ConfigError, match=sentence):
        config_from(environment={"FORGE_OVERLAP": "nope"})


def test_repeatable_options_collect(write_toml: WriteToml) -> None:
    assert config_from("--api-key", "a", "--api-key", "b").http.api_key == ("a", "b")
    assert config_from(environment={"FORGE_API_KEY": "a,b"}).http.api_key == ("a", "b")
    toml = write_toml('[http]\napi_key = ["a", "b"]\n')
    assert config_from(toml=toml).http.api_key == ("a", "b")


def test_empty_variable_counts_as_absent() -> None:
    assert config_from(environment={"FORGE_PORT": ""}).http.port == 8080


def test_empty_variable_is_no_list_of_keys() -> None:
    with pytest.raises(ConfigError, match=r"^FORGE_API_KEY: must not be empty$"):
        config_from(environment={"FORGE_API_KEY": ""})


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--port", "70000"], "--port: expected int <= 65535, got 70000"),
        (["--port", "x"], "--port: expected int, got x"),
        (["--max-model-len", "0"], "--max-model-len: expected int >= 1, got 0"),
        (["--backend", "tpu"], "--backend: expected one of auto, cuda, cpu, got tpu"),
    ],
)
def test_wrong_flag_is_named(argv: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from(*argv)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("keys", ["", "a,"])
def test_an_empty_key_is_no_key_and_the_others_are_not_shown(keys: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from(*[part for key in keys.split(",") for part in ("--api-key", key)])
    assert str(caught.value) == "--api-key: must not be empty"


@pytest.mark.parametrize("flag", ["--model-path", "--host", "--served-model-name", "--run-dir"])
def test_empty_text_is_refused(flag: str) -> None:
    with pytest.raises(ConfigError, match=f"^{flag}: must not be empty$"):
        config_from(flag, "")


def test_unknown_flag_is_refused_with_a_near_one() -> None:
    with pytest.raises(ConfigError, match="--max-batch-size"):
        config_from("--max-batch-sizes", "3")


def test_wrong_variable_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^FORGE_PORT: expected int >= 0, got -1$"):
        config_from(environment={"FORGE_PORT": "-1"})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[batch]\nmax_batch_siz = 1", r"unknown setting \[batch\] max_batch_siz; did you mean"),
        ("[bach]\nmax_batch_size = 1", r"unknown section \[bach\]; did you mean batch\?"),
        ("[http]\nport = '80'", r'\[http\] port: "80" is a text where a number is needed'),
        ("[batch]\noverlap = 'on'", r"\[batch\] overlap: expected true or false, got on"),
        ("batch = 1", r"batch must be a section"),
        ("[batch", r"forge\.toml: "),
        (f"[http]\nport = {'9' * 5000}", r"forge\.toml: .*4300 digits"),
        (f"a = {'[' * 100_000}", r"forge\.toml: .*recursion"),
    ],
)
def test_wrong_file_is_refused(write_toml: WriteToml, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        config_from(toml=write_toml(text))


def test_missing_file_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        config_from(toml=Path("absent.toml"))


def test_roles_share_a_file(write_toml: WriteToml) -> None:
    toml = write_toml("[http]\nport = 300\n[cache]\nblock_size = 8\n")
    config = load_config(SchedulerConfig, {"config": str(toml)}, {})
    assert config.cache.block_size == 8


def test_unknown_variables_are_found() -> None:
    known = {"FORGE_PORT": "1", "FORGE_CONFIG": "x", "FORGE_READY_FD": "3", "HOME": "/"}
    environment = {"FORGE_PROT": "1", **known}
    assert unknown_variables(environment) == ["FORGE_PROT; did you mean FORGE_PORT?"]


@pytest.mark.parametrize("config_type", [ApiConfig, SchedulerConfig, WorkerConfig, LaunchConfig])
def test_every_setting_has_help_and_a_name_of_its_own(config_type: type) -> None:
    settings = settings_of(config_type)
    assert all(setting.help.endswith(".") for setting in settings)
    assert len({setting.name for setting in settings}) == len(settings)


def test_launch_config_states_every_setting_of_every_role() -> None:
    every = set(settings_of(LaunchConfig))
    for config_type in (ApiConfig, SchedulerConfig, WorkerConfig):
        assert set(settings_of(config_type)) <= every


def test_environment_carries_a_config_unchanged() -> None:
    argv = ["--api-key", "a", "--api-key", "b", "--no-overlap", "--kv-cache-memory-gib", "0.1"]
    config = config_from(*argv, "--max-model-len", "99")
    assert config_from(environment=to_environment(config)) == config
    assert to_environment(LaunchConfig()) == {}


def test_value_that_would_not_survive_the_environment_is_refused() -> None:
    with pytest.raises(ConfigError, match="--api-key: a value must not contain a comma"):
        to_environment(config_from("--api-key", "a,b"))


def test_table_has_a_row_for_each_setting() -> None:
    table = settings_table(LaunchConfig)
    for setting in settings_of(LaunchConfig):
        assert f"| `{setting.flag}` | `{setting.variable}` |" in table
    assert "| auto | Where the model runs. One of `auto`, `cuda`, `cpu`. |" in table


def test_help_shows_every_flag_under_its_section() -> None:
    command = make_command(LaunchConfig, "Serve a model.")
    text = command.get_help(command.context_class(command, info_name="forge-launch"))
    assert text.index("HTTP settings:") < text.index("--port") < text.index("Link settings:")
    assert "[default: 8080]" in text
    assert all(setting.flag in text for setting in settings_of(LaunchConfig))


def test_expected_failure_is_one_sentence_and_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ModelError("no such model")

    assert exit_code_of(fail, "forge-worker") == ModelError.EXIT_CODE
    assert capsys.readouterr().err == "forge-worker: error: no such model\n"


def test_bug_ends_in_a_sentence_too(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ZeroDivisionError("by zero")

    assert exit_code_of(fail, "forge-worker") == 1
    assert capsys.readouterr().err.endswith("error: unexpected ZeroDivisionError: by zero\n")


def test_interrupt_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    assert exit_code_of(fail, "forge-worker") == 130
    assert capsys.readouterr().err == ""


def test_role_runs_with_its_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forge_common.settings.configure_logging", lambda *_: None)
    seen: list[WorkerConfig] = []
    with pytest.raises(SystemExit) as caught:
        run_role(WorkerConfig, seen.append, name="forge-worker", help="", argv=["--threads", "2"])
    assert caught.value.code == 0
    assert seen[0].device.threads == 2
