"""EBNF to programs: what is allowed, and what is refused."""

from __future__ import annotations

import pytest

from forge_common.grammar.ebnf import compile_ebnf
from forge_common.grammar.engine import Engine
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import Text
from forge_common.grammar.vocabulary import Vocabulary
from tests.common.grammar.reference import accepts

JSON = r"""
# JSON as llama.cpp's examples have it
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ws
ws     ::= | " " | "\n" [ \t]{0,20}
"""


def allows(grammar: str, text: str) -> bool:
    program = compile_ebnf(grammar)
    expected = accepts(program, text.encode())
    engine = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
    state = engine.start(program).advance_bytes(text.encode())
    assert (state is not None and state.is_accepting) == expected
    return expected


@pytest.mark.parametrize(
    ("grammar", "allowed", "refused"),
    [
        ('root ::= "a" | "b" "c"', ["a", "bc"], ["b", "ac", ""]),
        ('root ::= "a"* ("b" | "c")+ "d"?', ["b", "aacbd"], ["a", "d"]),
        ("root ::= [a-c]{2} [^a-c]", ["abd", "ccé"], ["abc", "ab", "a"]),
        ("root ::= [a-]{2,3}", ["a-", "---"], ["a", "b-"]),
        ("root ::= [\\]\\\\^]+", ["]\\^"], ["a"]),
        ('root ::= "\\x41\\u00e9\\U0001F600\\n\\""', ['Aé\U0001f600\n"'], ["A"]),
        ("root ::= . .", ["é\n", "ab"], ["a"]),
        ('root ::= "(" root ")" | x\nx ::= "y"', ["y", "((y))"], ["(y", "()"]),
        ('root ::= "a" root? "b"', ["ab", "aaabbb"], ["aab", "ba"]),
        ('root ::= ""', [""], ["a"]),
        ('root ::= item ("," item)*\nitem ::= [0-9]{1,3}', ["1,22,333"], ["1,", "4444"]),
        ('a ::= "x"\nroot ::= a a # twice\n', ["xx"], ["x"]),
        ('root ::= "a" |\n  "b"\n  "c"\nother ::= "d"', ["a", "bc"], ["b", "d"]),
        ('root ::= (x?)* "c"\nx ::= "a" y?\ny ::= "b" x', ["c", "aabac"], ["ab"]),
        ('root ::= (x?){0,1000000} "c"\nx ::= "a" y?\ny ::= "b" x', ["c", "abac"], ["b"]),
        ('root ::= x{3}\nx ::= "a" | "(" x ")"', ["aaa", "(a)a((a))"], ["aa", "aaaa"]),
        (JSON, ['{"a": [1,2.5,"x\\n"]}', "{}"], ['{"a":}', "[]", "{'a':1}"]),
    ],
)
def test_grammars(grammar: str, allowed: list[str], refused: list[str]) -> None:
    assert all(allows(grammar, text) for text in allowed)
    assert not any(allows(grammar, text) for text in refused)


def test_parts_without_references_become_one_pattern() -> None:
    assert [type(rule) for rule in compile_ebnf('root ::= [a-z]+ ("-" [a-z]+)*').rules] == [Text]


@pytest.mark.parametrize(
    ("grammar", "reason"),
    [
        ("", "no rule"),
        ('start ::= "a"', "no rule 'root'"),
        ("root ::= a", "no rule 'a'"),
        ('root ::= "a"\nroot ::= "b"', "already"),
        ('root ::= "a', "text is not closed, at line 1, column 12"),
        ("root ::= [a", "class is not closed"),
        ("root ::= []", "without characters"),
        ("root ::= [b-a]", "out of order"),
        ('root ::= ("a"', "group is not closed"),
        ('root ::= "a")', "expected a rule"),
        ('root ::= "a"{2,1}', "out of order"),
        ('root ::= "a"{x}', "expected a count"),
        ('root ::= "\\q"', "escape"),
        ('root ::= "\\uD800"', "Unicode"),
        ("root ::= <think>", "expected a text"),
        ('root ::= root "a" | "b"', "left recursion"),
        ('root ::= x\nx ::= y? root\ny ::= "a"', "left recursion"),
        ('root ::= [a]* root | "b"', "left recursion"),
    ],
)
def test_what_is_no_grammar_is_refused(grammar: str, reason: str) -> None:
    with pytest.raises(GrammarError, match=reason):
        compile_ebnf(grammar)


@pytest.mark.parametrize(
    "grammar",
    [
        "root ::= " + "(" * 10_000 + '"a"' + ")" * 10_000,
        'root ::= "a"{99999999999999}',
        "root ::= " + '"abc" ' * 10**5,
        "root ::= [" + "".join(map(chr, range(0x4E00, 0x8E00))) + "]",
    ],
)
def test_hostile_grammars_are_refused(grammar: str) -> None:
    with pytest.raises(GrammarTooLarge):
        compile_ebnf(grammar)


@pytest.mark.parametrize(
    "grammar",
    [
        'root ::= ((("a"{1,9999}){1,9999}){1,9999}){1,9999}',
        "root ::= " + " ".join(f"r{index}" for index in range(5000)) + "\n"
        + "\n".join(f'r{index} ::= "a" | r{(index + 1) % 5000} "b"' for index in range(4999))
        + '\nr4999 ::= "z"',
    ],
)  # fmt: skip
def test_grammars_that_only_look_costly_are_compiled(grammar: str) -> None:
    compile_ebnf(grammar)
