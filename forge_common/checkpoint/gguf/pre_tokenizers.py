"""How a byte-level BPE cuts text into words before it merges, by the name a GGUF file gives it.

GGUF states no patterns, only a name; what it stands for is in the HuggingFace tokenizer that the
file was made of. Here it is again as the `pre_tokenizer` of a tokenizer.json. Knows no vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_ENGLISH = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_SYMBOLS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_LLAMA_3 = rf"{_ENGLISH}|{_WORDS}|\p{{N}}{{1,3}}|{_SYMBOLS}|{_SPACES}"
_QWEN_2 = rf"{_ENGLISH}|{_WORDS}|\p{{N}}|{_SYMBOLS}|{_SPACES}"
_QWEN_35 = (
    rf"{_ENGLISH}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}"
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{{suffix}}"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{{suffix}}"
)
_CASED_SYMBOLS = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
_TEKKEN = rf"{_CASED.replace('{suffix}', '')}|\p{{N}}|{_CASED_SYMBOLS}|{_SPACES}"
_GPT_4O = rf"{_CASED.replace('{suffix}', _ENGLISH + '?')}|\p{{N}}{{1,3}}|{_CASED_SYMBOLS}|{_SPACES}"
_CJK = "[一-龥ࠀ-一가-퟿]+"
_DEEPSEEK_3_WORDS = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|" + _SPACES
)
_CASED_LETTERS = (  # of the Unicode that DeepSeek's tokenizer was made with
    "A-Za-z\u00b5À-ÖØ-öø-ƺƼ-ƿ\u01c4-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-\u03f5Ϸ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ"
    "-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼ\u2102\u2107"
    "\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c"
    "-\u213f\u2145-\u2149ⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿ\ufb00-\ufb06\ufb13-\ufb17\uff21-"
    "\uff3a\uff41-\uff5a𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
)

GPT_2_WORDS: Mapping[str, Any] = MappingProxyType(
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
)
BYTES_ONLY: Mapping[str, Any] = MappingProxyType({**GPT_2_WORDS, "use_regex": False})
DIGITS: Mapping[str, Any] = MappingProxyType({"type": "Digits", "individual_digits": True})


class PreTokenizer(NamedTuple):
    steps: tuple[Mapping[str, Any], ...]
    normalizer: str | None = None
    ignores_merges: bool = False  # a word that is a token is taken as it is
    adds_bos: bool = False  # where the file does not say


def _split(pattern: str) -> Mapping[str, Any]:
    return MappingProxyType(
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    )


def _by(*patterns: str) -> tuple[Mapping[str, Any], ...]:
    return (*(_split(pattern) for pattern in patterns), BYTES_ONLY)


_GPT_2 = PreTokenizer((GPT_2_WORDS,))
_SINGLE_DIGITS = PreTokenizer((DIGITS, GPT_2_WORDS))
_LLAMA_BPE = PreTokenizer(_by(_LLAMA_3), ignores_merges=True, adds_bos=True)
_QWEN = PreTokenizer(_by(_QWEN_2), normalizer="NFC")
_O200K = PreTokenizer(_by(_GPT_4O))
_PUNCTUATION = {"type": "Punctuation", "behavior": "Contiguous"}
_WHOLE_NUMBERS = {"type": "Digits", "individual_digits": False}
_FALCON = PreTokenizer((_PUNCTUATION, GPT_2_WORDS, _WHOLE_NUMBERS, _split("[0-9][0-9][0-9]")))

_NAMES: tuple[tuple[PreTokenizer, str], ...] = (
    (_GPT_2, "gpt-2 phi-2 gigachat a.x-4.0 mellum modern-bert exaone4 olmo jais trillion"),
    (_GPT_2._replace(normalizer="NFC"), "mpt"),
    (_SINGLE_DIGITS, "smollm starcoder refact codeshell exaone minerva-7b mellum2"),
    (_SINGLE_DIGITS._replace(normalizer="NFC"), "command-r"),
    (_LLAMA_BPE, "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2"),
    (PreTokenizer(_by(_LLAMA_3)), "dbrx smaug-bpe chatglm-bpe"),
    (PreTokenizer(_by(_LLAMA_3), ignores_merges=True), "glm4"),
    (_QWEN, "qwen2 deepseek-r1-qwen kormo megrez"),
    (PreTokenizer(_by(_QWEN_35)), "qwen35"),
    (PreTokenizer(_by(_QWEN_2)), "stablelm2 hunyuan solar-open grok-2"),
    (PreTokenizer(_by(_TEKKEN), ignores_merges=True, adds_bos=True), "tekken"),
    (_O200K, "gpt-4o llama4 kanana2"),
    (_FALCON, "falcon"),
    (
        PreTokenizer(
            _by(
                "[\r\n]",
                rf"\s?[{_CASED_LETTERS}]+",
                r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
                r"\s+$",
                _CJK,
                r"\p{N}",
            )
        ),
        "deepseek-llm",
    ),
    (PreTokenizer(_by("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CJK, r"\p{N}")), "deepseek-coder"),
    (PreTokenizer(_by(r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", _DEEPSEEK_3_WORDS)), "deepseek-v3"),
    # What files say that name none: ggml's guess of old.
    (
        PreTokenizer(
            (
                _split(r"[\p{P}\$\+<=>\^~\|]+"),
                _split(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"),
                _split(r"\p{N}+"),
                _split("[0-9][0-9][0-9]"),
                BYTES_ONLY,
            )
        ),
        "default",
    ),
)

PRE_TOKENIZERS: Mapping[str, PreTokenizer] = MappingProxyType(
    {name: pre_tokenizer for pre_tokenizer, names in _NAMES for name in names.split()}
)
