"""The fate of every field: the lists do not contradict each other, unknown ones are found."""

from __future__ import annotations

import pytest
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params

from forge_api.openai_types import ChatCompletionRequest, CompletionRequest, FunctionDefinition
from forge_api.parameters import (
    HINTS,
    REFUSED,
    REFUSED_IN_CHAT,
    REFUSED_IN_COMPLETIONS,
    BodyParser,
    unknown_fields,
)
from forge_common.errors import RequestError

KINDS = [
    (ChatCompletionRequest, REFUSED | REFUSED_IN_CHAT, chat_create_params),
    (CompletionRequest, REFUSED | REFUSED_IN_COMPLETIONS, completion_create_params),
]


@pytest.mark.parametrize(("body_type", "refused", "client_params"), KINDS)
def test_every_parameter_of_openais_client_has_a_fate(body_type, refused, client_params) -> None:
    theirs = client_params.CompletionCreateParamsBase.__annotations__.keys() | {"stream"}
    ours = {*body_type.__struct_fields__, *HINTS, *refused}
    assert theirs - ours == set()


@pytest.mark.parametrize(("body_type", "refused", "client_params"), KINDS)
def test_no_field_has_two_fates(body_type, refused, client_params) -> None:
    assert not set(body_type.__struct_fields__) & refused.keys()
    assert not set(body_type.__struct_fields__) & HINTS.keys()
    assert not refused.keys() & HINTS.keys()


def test_unknown_fields_are_found_in_lists_and_objects() -> None:
    parser = BodyParser(ChatCompletionRequest, {}, is_strict=False)
    parsed = parser.parse(
        b'{"messages":[{"role":"user","content":"a","x":1}],"y":{},"z":null,'
        b'"tools":[{"function":{"name":"f","parameters":{"free":1},"w":2}}]}'
    )
    assert parsed.ignored == ["messages[0].x", "y", "tools[0].function.w"]


def test_free_form_objects_are_not_looked_into() -> None:
    fields = {"name": "f", "parameters": {"anything": {"goes": 1}}}
    value = FunctionDefinition("f", None, fields["parameters"])
    assert list(unknown_fields(fields, value)) == []


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b'{"messages":[{"role":"user"}]}', "messages[0].content"),
        (b'{"messages":[{"role":"nobody","content":""}]}', "messages[0].role"),
        (b'{"messages":[{"role":"user","content":""}],"logit_bias":{"x":1}}', "logit_bias"),
        (b'{"messages":[{"role":"user","content":""}],"logit_bias":{"1":101}}', "logit_bias"),
        (b'{"messages":{}}', "messages"),
        (b'{"messages":[]}', "messages"),
    ],
)
def test_the_path_of_a_wrong_field_is_its_param(raw: bytes, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        BodyParser(ChatCompletionRequest, {}, is_strict=False).parse(raw)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ('"messages":[]', "`messages` must not be empty"),
        ('"messages":[{"role":"user","content":""}],"stop":[""]', "`stop[0]` must not be empty"),
        (
            '"messages":[{"role":"usr","content":""}]',
            "Invalid value 'usr': it must be one of `system`, `developer`, `user`, `assistant`, "
            "`tool` (at `messages[0].role`)",
        ),
    ],
)
def test_a_wrong_value_is_told_in_words(fields: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        BodyParser(ChatCompletionRequest, {}, is_strict=False).parse(f"{{{fields}}}".encode())
    assert str(caught.value) == message
