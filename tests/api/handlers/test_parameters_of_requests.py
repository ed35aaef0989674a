"""Every parameter reaches the scheduler, or comes back as a 400 that names it."""

from __future__ import annotations

from typing import Any

import pytest

from forge_api.errors import RetryLater
from tests.api.fakes import (
    EOS,
    HELLO,
    READY,
    TOKENIZER,
    Api,
    FakeEngine,
    Reply,
    chat,
    complete,
    post,
    serve,
    speaks,
)

CHAT = "/v1/chat/completions"


def sampling_of(**body: Any) -> Any:
    engine = FakeEngine(speaks("hi"))
    reply = post(engine, CHAT, HELLO | body)
    assert reply.status == 200, reply.body
    return engine.submitted[0].sampling


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.0),
        ("top_p", 0.5),
        ("top_k", 7),
        ("min_p", 0.1),
        ("presence_penalty", -1.5),
        ("frequency_penalty", 1.5),
        ("repetition_penalty", 1.2),
        ("min_tokens", 3),
        ("seed", 42),
    ],
)
def test_sampling_fields_go_through(field: str, value: float) -> None:
    assert getattr(sampling_of(**{field: value}), field) == value


def test_lists_of_ids_go_through() -> None:
    sampling = sampling_of(logit_bias={"5": -100}, stop_token_ids=[9], allowed_token_ids=[1, 2])
    assert sampling.logit_bias == {5: -100.0}
    assert sampling.stop_token_ids == (9,)
    assert sampling.allowed_token_ids == (1, 2)


@pytest.mark.parametrize(
    "body",
    [
        {"stop_token_ids": [1], "allowed_token_ids": [1], "min_tokens": 1},
        {"allowed_token_ids": [EOS], "min_tokens": 1},
        {"allowed_token_ids": TOKENIZER.encode("a"), "bad_words": ["a"]},
    ],
)
def test_a_request_that_leaves_no_token_to_choose_is_refused(body: dict[str, Any]) -> None:
    reply = chat(**body)
    assert (reply.status, reply.error["param"]) == (400, "allowed_token_ids")


@pytest.mark.parametrize("value", [-1, 0])
def test_top_k_off_is_none_past_the_edge(value: int) -> None:
    assert sampling_of(top_k=value).top_k is None


def test_a_negative_seed_is_a_seed() -> None:
    assert sampling_of(seed=-1).seed == 2**63 - 1


def test_a_seed_is_drawn_where_none_is_given() -> None:
    assert sampling_of().seed != sampling_of().seed


def test_eos_ends_a_request_unless_ignored() -> None:
    assert sampling_of().eos_token_ids == (EOS,)
    assert sampling_of(ignore_eos=True).eos_token_ids == ()


def test_bad_words_are_kept_out_with_and_without_a_space() -> None:
    assert len(sampling_of(bad_words=["hello"]).bad_words) == 2


def test_a_bad_word_of_too_many_tokens_is_refused_by_name() -> None:
    reply = chat(bad_words=["".join(map(chr, range(33, 120)))])
    assert (reply.status, reply.error["param"]) == (400, "bad_words")


def test_max_tokens_is_the_rest_of_the_context() -> None:
    engine = FakeEngine(speaks("hi"))
    post(engine, CHAT, HELLO)
    [submit] = engine.submitted
    assert submit.sampling.max_tokens == READY.max_model_len - len(submit.prompt_token_ids)


def test_what_is_left_of_the_context_is_enough_for_a_completion_that_states_no_number() -> None:
    engine = FakeEngine(speaks("hi"))
    reply = post(engine, "/v1/completions", {"prompt": [5] * (READY.max_model_len - 3)})
    assert (reply.status, engine.submitted[0].sampling.max_tokens) == (200, 3)


def test_max_completion_tokens_goes_before_max_tokens() -> None:
    assert sampling_of(max_completion_tokens=5, max_tokens=9).max_tokens == 5


def test_logprobs_become_a_number() -> None:
    assert sampling_of().num_logprobs is None
    assert sampling_of(logprobs=True).num_logprobs == 0
    assert sampling_of(logprobs=True, top_logprobs=5).num_logprobs == 5


@pytest.mark.parametrize(("asked", "expected"), [({}, True), ({"speculative": False}, False)])
@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
def test_speculative_reaches_the_scheduler(path: str, asked: dict, expected: bool) -> None:
    engine = FakeEngine(speaks("hi"))
    post(engine, path, (HELLO if path == CHAT else {"prompt": "hello"}) | asked)
    assert engine.submitted[0].is_speculative is expected


def test_priority_reaches_the_scheduler() -> None:
    engine = FakeEngine(speaks("hi"))
    post(engine, CHAT, HELLO | {"priority": -3})
    assert engine.submitted[0].priority == -3


def test_truncation_keeps_the_end_of_the_prompt() -> None:
    engine = FakeEngine(speaks("hi"))
    post(engine, "/v1/completions", {"prompt": [1, 2, 3, 4], "truncate_prompt_tokens": 2})
    assert engine.submitted[0].prompt_token_ids == [3, 4]


REFUSED_IN_CHAT = {
    "audio": {"voice": "x"},
    "modalities": ["text", "audio"],
    "web_search_options": {},
    "functions": [{"name": "f"}],
    "function_call": "auto",
    "moderation": {},
    "response_format": {"type": "structural_tag"},
    "json_schema": {"type": "nothing"},
    "guided_regex": "(",
    "structured_outputs": {"structural_tag": "{}"},
    "structural_tag": "{}",
    "tool_choice": "required",  # and there are no tools
    "tools": [
        {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": 1}}}
    ],
    "chat_template": "{{ 1 }}",
    "best_of": 2,
    "echo": True,
    "use_beam_search": True,
    "top_logprobs": 3,
    "stream_options": {"include_usage": True},
    "n": 17,
    "temperature": -1,
    "top_p": 0,
    "stop": [""],
    "logit_bias": {"99999": 1},
    "allowed_token_ids": [99999],
    "stop_token_ids": [99999],
    "max_tokens": -1,
}


@pytest.mark.parametrize("field", REFUSED_IN_CHAT)
def test_what_cannot_be_honoured_is_refused_by_name(field: str) -> None:
    reply = chat(**{field: REFUSED_IN_CHAT[field]})
    assert reply.status == 400
    assert reply.error["param"].split("[")[0].split(".")[0] == field
    assert reply.error["type"] == "invalid_request_error"


@pytest.mark.parametrize("field", ["suffix", "messages", "tools", "top_logprobs", "ebnf"])
def test_what_completions_cannot_honour_is_refused_by_name(field: str) -> None:
    assert complete(**{field: ["x"]}).error["param"] == field


@pytest.mark.parametrize(
    "field",
    [
        {"modalities": ["text"]},
        {"best_of": 1},
        {"response_format": {"type": "text"}},
        {"functions": None},
        {"tool_choice": "none"},
        {"audio": None},
    ],
)
def test_values_that_ask_for_nothing_are_taken(field: dict[str, Any]) -> None:
    reply = chat(**field)
    assert reply.status == 200
    assert "forge" not in reply.json


def test_hints_change_nothing() -> None:
    hints = {"user": "me", "store": True, "metadata": {"a": "b"}, "service_tier": "auto"}
    reply = chat(**hints, prompt_cache_key="k", prediction={"type": "content"}, verbosity="low")
    assert reply.status == 200
    assert "forge" not in reply.json


def test_unknown_fields_are_named_in_the_reply() -> None:
    assert chat(frobnicate=1, nothing=None).json["forge"] == {"ignored": ["frobnicate"]}


def test_unknown_fields_are_named_with_their_path() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "hi", "cache": 1}], "mood": 2}
    ignored = chat(messages=[message]).json["forge"]["ignored"]
    assert set(ignored) == {"messages[0].mood", "messages[0].content[0].cache"}


def test_unknown_fields_are_named_in_a_stream() -> None:
    assert chat(frobnicate=1, stream=True).events[0]["forge"] == {"ignored": ["frobnicate"]}
    assert complete(frobnicate=1, stream=True).events[0]["forge"] == {"ignored": ["frobnicate"]}


def test_strict_parameters_refuse_unknown_fields() -> None:
    engine = FakeEngine(speaks("hi"))
    reply = post(engine, CHAT, HELLO | {"frobnicate": 1}, strict_params=True)
    assert reply.status == 400
    assert (reply.error["code"], reply.error["param"]) == ("unknown_parameter", "frobnicate")


def too_long(path: str, **body: Any) -> Reply:
    return post(FakeEngine(speaks("hi")), path, body)


def test_a_prompt_beyond_the_context_is_refused_before_the_stream_begins() -> None:
    reply = too_long("/v1/completions", prompt=[1] * 1000, stream=True)
    assert reply.status == 400
    assert (reply.error["code"], reply.error["param"]) == ("context_length_exceeded", "prompt")


def test_a_text_that_cannot_fit_is_refused_before_it_is_tokenized() -> None:
    reply = too_long("/v1/completions", prompt=" " * 300_000)
    assert reply.error["code"] == "context_length_exceeded"
    assert "characters" in reply.error["message"]


def test_max_tokens_beyond_the_context_is_refused() -> None:
    reply = too_long(CHAT, **HELLO, max_tokens=READY.max_model_len - 1)
    assert (reply.error["code"], reply.error["param"]) == ("context_length_exceeded", "messages")


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_max_tokens_for_which_no_prompt_is_short_enough_are_blamed_themselves(field: str) -> None:
    reply = too_long(CHAT, **HELLO, **{field: READY.max_model_len})
    assert (reply.error["code"], reply.error["param"]) == ("context_length_exceeded", field)


def test_a_full_queue_is_a_429_with_retry_after() -> None:
    engine = FakeEngine(speaks("hi"))
    engine.rejection = RetryLater("The queue is full", code="queue_full", retry_after_s=2.5)
    reply = post(engine, CHAT, HELLO | {"stream": True})
    assert reply.status == 429
    assert reply.headers["Retry-After"] == "3"
    assert reply.error["code"] == "queue_full"


def test_no_engine_is_a_503() -> None:
    engine = FakeEngine(speaks("hi"))
    engine.scheduler = None
    reply = post(engine, CHAT, HELLO)
    assert reply.status == 503
    assert reply.error["code"] == "service_unavailable"


def test_another_model_is_a_404() -> None:
    reply = chat(model="gpt-4")
    assert reply.status == 404
    assert (reply.error["code"], reply.error["param"]) == ("model_not_found", "model")


def test_variables_the_template_does_not_read_are_named() -> None:
    reply = chat(chat_template_kwargs={"enable_thinking": False, "date_string": "today"})
    assert reply.json["forge"]["ignored"] == ["chat_template_kwargs.date_string"]


def test_only_listed_variables_reach_the_template() -> None:
    reply = chat(chat_template_kwargs={"messages": "x"})
    assert reply.error["param"] == "chat_template_kwargs.messages"


def rendered(**body: Any) -> Any:
    """How the template was called."""

    async def test(api: Api) -> Any:
        reply = await api.post(CHAT, HELLO | body)
        assert reply.status == 200, reply.body
        return api.services.model.template.calls[0]

    return serve(FakeEngine(speaks("hi")), test)


def test_the_template_gets_messages_in_its_own_terms() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "be "}]},
        {"role": "user", "content": "hi", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "5", "tool_call_id": "c"},
    ]
    assert rendered(messages=messages)["messages"] == [
        {"role": "system", "content": "be "},
        {"role": "user", "content": "hi", "name": "ann"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "5", "tool_call_id": "c"},
    ]


def test_tools_reach_the_template_unless_none_may_be_called() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    assert rendered(tools=[tool])["tools"] == [tool]
    assert rendered(tools=[tool], tool_choice="none")["tools"] is None


def test_a_template_without_tools_refuses_them() -> None:
    async def test(api: Api) -> Reply:
        api.services.model.template.variable_names = frozenset()
        return await api.post(CHAT, HELLO | {"tools": [{"function": {"name": "f"}}]})

    assert serve(FakeEngine(speaks("hi")), test).error["param"] == "tools"


def test_a_final_message_is_continued() -> None:
    messages = [*HELLO["messages"], {"role": "assistant", "content": "Well,"}]
    call = rendered(messages=messages, continue_final_message=True)
    assert (call["continue_final_message"], call["add_generation_prompt"]) == (True, False)


@pytest.mark.parametrize("extra", [{"add_generation_prompt": True}, {}])
def test_continuing_what_is_not_the_assistants_is_refused(extra: dict[str, Any]) -> None:
    reply = chat(continue_final_message=True, **extra)
    assert reply.error["param"] == "continue_final_message"
