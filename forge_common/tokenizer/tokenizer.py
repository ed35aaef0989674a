"""Text to token ids, token ids to bytes and text, for one model.

Encoding is HuggingFace's `tokenizers`. The way back is Forge's own: the bytes of each id, looked
up once and remembered, so that streaming costs a dictionary access a token. Knows nothing of
chat messages, stop strings, or of how the ids came about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import tokenizers

from forge_common.checkpoint import model_files
from forge_common.checkpoint.tokenizer_files import TokenizerFiles
from forge_common.errors import ModelError, RequestError
from forge_common.tokenizer.special_tokens import SpecialTokens, read_special_tokens
from forge_common.tokenizer.token_decoder import TokenDecoder, parse_decoder


class TokenBytes(dict[int, bytes]):
    """id → bytes, filled as ids are met; `dropped` ids, and ids without a token, are b""."""

    def __init__(
        self, encoder: tokenizers.Tokenizer, decoder: TokenDecoder, dropped: frozenset[int]
    ) -> None:
        super().__init__(dict.fromkeys(dropped, b""))
        self._encoder = encoder
        self._decoder = decoder

    def __missing__(self, token_id: int) -> bytes:
        token = self._encoder.id_to_token(token_id)
        if token is None:
            return b""  # not remembered: a client may ask for any number
        self[token_id] = piece = self._decoder.token_bytes(token)
        return piece


class TextStart:
    """The bytes of a text's first tokens, less the space that SentencePiece puts before a text."""

    def __init__(self, tokenizer: Tokenizer, pieces: TokenBytes) -> None:
        self._tokenizer = tokenizer
        self._pieces = pieces
        self._num_spaces = tokenizer.decoder.num_stripped_spaces
        self._is_first_token = tokenizer.decoder.first_token_loses is not None

    @property
    def is_over(self) -> bool:
        """Whether the bytes of the tokens from here on are simply joined."""
        return not self._is_first_token and not self._num_spaces

    def push(self, token_ids: Iterable[int]) -> bytes:
        return b"".join([self._piece(token_id) for token_id in token_ids])

    def _piece(self, token_id: int) -> bytes:
        piece = self._pieces[token_id]
        if self._is_first_token and piece:
            self._is_first_token = False
            piece = self._tokenizer.first_token_bytes(token_id)
        if self._num_spaces and piece:
            stripped = piece.lstrip(b" ")
            num_removed = min(len(piece) - len(stripped), self._num_spaces)
            piece = piece[num_removed:]
            self._num_spaces = 0 if piece else self._num_spaces - num_removed
        return piece


class Tokenizer:
    """A model's tokenizer. Its methods may be called from several threads at a time."""

    def __init__(
        self, encoder: tokenizers.Tokenizer, decoder: TokenDecoder, special: SpecialTokens
    ) -> None:
        self._encoder = encoder
        self.decoder = decoder
        self.bos_token = special.bos_token
        self.eos_token = special.eos_token
        ids = (encoder.token_to_id(token) for token in special.all_tokens)
        self.special_token_ids = frozenset(id_ for id_ in ids if id_ is not None)
        self.vocab_size = max(encoder.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        self._all_pieces = TokenBytes(encoder, decoder, frozenset())
        self._pieces_without = {frozenset[int](): self._all_pieces}

    @classmethod
    def open(cls, path: Path) -> Tokenizer:
        """That of the model at `path`, a directory or a file. Raises ModelError."""
        return cls.of(model_files(path).tokenizer())

    @classmethod
    def of(cls, files: TokenizerFiles) -> Tokenizer:
        """Raises ModelError where the files describe no usable tokenizer."""
        special = read_special_tokens(files.tokenizer.added_tokens, files.config)
        encoder = load_encoder(files, special)
        return cls(encoder, parse_decoder(files.tokenizer.decoder), special)

    def encode(
        self, text: str, add_special_tokens: bool = False, *, parse_special: bool = True
    ) -> list[int]:
        """Token ids of `text`. `parse_special` reads special tokens written in it as themselves.

        Releases the GIL, so a long text may be encoded in a thread: of the library's ways only the
        batched ones do, and the fast one keeps no offsets, which cost most of the time and memory.
        """
        encoder = self._encoder if parse_special else self._literal_encoder
        try:
            (encoding,) = encoder.encode_batch_fast([text], add_special_tokens=add_special_tokens)
            return encoding.ids
        except Exception as error:  # what the library raises, say for half of a surrogate pair
            raise RequestError(f"The text cannot be tokenized: {error}.") from error

    @cached_property
    def _literal_encoder(self) -> tokenizers.Tokenizer:
        """A copy, since the choice is a property of the encoder and others may be using it."""
        encoder = tokenizers.Tokenizer.from_str(self._encoder.to_str())
        encoder.encode_special_tokens = True
        return encoder

    def token_bytes(self, token_id: int) -> bytes:
        """What the token adds to a text; b"" for an id beyond the vocabulary."""
        return self._all_pieces[token_id]

    def pieces(
        self, *, skip_special_tokens: bool, kept_ids: frozenset[int] = frozenset()
    ) -> TokenBytes:
        """The bytes of each id, as a mapping.

        Where special tokens are skipped, they are b"", but for those whose text matters all the
        same. Every such choice of them is remembered, so there should be few.
        """
        dropped = self.special_token_ids - kept_ids if skip_special_tokens else frozenset[int]()
        pieces = self._pieces_without.get(dropped)
        if pieces is None:
            pieces = self._pieces_without[dropped] = TokenBytes(
                self._encoder, self.decoder, dropped
            )
        return pieces

    def first_token_bytes(self, token_id: int) -> bytes:
        """What the token adds when a text begins with it."""
        token = self._encoder.id_to_token(token_id)
        return b"" if token is None else self.decoder.first_token_bytes(token)

    def decode(self, token_ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of `token_ids`; bytes that are no UTF-8 become U+FFFD."""
        start = TextStart(self, self.pieces(skip_special_tokens=skip_special_tokens))
        return start.push(token_ids).decode("utf-8", "replace")


def load_encoder(files: TokenizerFiles, special: SpecialTokens) -> tokenizers.Tokenizer:
    """The `tokenizers` object of a model, without the truncation or padding it may ask for."""
    try:
        encoder = tokenizers.Tokenizer.from_buffer(files.text)
    except BaseException as error:  # the library raises bare Exceptions, and panics of its own kind
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelError(f"{files.source} is not a usable tokenizer: {error}.") from error
    encoder.no_truncation()
    encoder.no_padding()
    encoder.add_special_tokens(newly_special(encoder, special))
    return encoder


def newly_special(
    encoder: tokenizers.Tokenizer, special: SpecialTokens
) -> list[tokenizers.AddedToken]:
    """Tokens of the vocabulary that the encoder itself does not take for special ones. What else it
    knows of them stays: adding one anew by its text alone would forget, say, which spaces it takes
    along."""
    added = {token.content: token for token in encoder.get_added_tokens_decoder().values()}
    found = []
    for content in sorted(special.all_tokens):
        token = added.get(content) or tokenizers.AddedToken(content, normalized=False)
        if encoder.token_to_id(content) is not None and not token.special:
            token.special = True
            found.append(token)
    return found
