"""Tokenizers: from texts to token numbers, and from each number to the text that it stands for."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.tokens import UnreadableTokenizer
from pattern_lang.estimate.huggingface.packages import first_line, load_package
from pattern_lang.estimate.table import Array

_DOCUMENTS = 256  # encoded at once: what the package returns is many times the size of the numbers


@frozen(eq=False)
class Tokenizer:
    """A tokenizer as its file says, but without truncation and padding. `digest` is of the file."""

    digest: str
    _made: Any

    def encode(self, documents: Sequence[str]) -> Iterator[Array]:
        """Yield the token numbers of each document, (length,) int64, special tokens included."""
        for start in range(0, len(documents), _DOCUMENTS):
            for found in self._made.encode_batch(list(documents[start : start + _DOCUMENTS])):
                yield np.array(found.ids, dtype=np.int64)

    def texts(self) -> Array:
        """Return the text of every token, (V,): with the space before it where it holds one."""
        kinds = set(_types(json.loads(self._made.to_str()).get("decoder")))
        count = self._made.get_vocab_size(with_added_tokens=True)
        names = [self._made.id_to_token(number) or "" for number in range(count)]
        added = {token.content for token in self._made.get_added_tokens_decoder().values()}
        read = _from_bytes() if "ByteLevel" in kinds else _plain
        return np.array([name if name in added else read(name) for name in names], dtype=object)


def load_tokenizer(path: Path, span: Span | None) -> Tokenizer:
    """Read a `tokenizer.json`; raise MissingPackage or UnreadableTokenizer."""
    package = load_package("tokenizers", "reading tokens", span)
    raw = path.read_bytes()
    try:
        made = package.Tokenizer.from_str(raw.decode("utf-8"))
    except Exception as error:  # the package raises a bare Exception
        problem = UnreadableTokenizer(span=span, file=path.name, reason=first_line(error))
        raise PatternError([problem]) from error
    made.no_truncation()
    made.no_padding()
    return Tokenizer(hashlib.sha256(raw).hexdigest(), made)


def _types(decoder: Any) -> Iterator[str]:
    """Yield the types of a decoder, and of those that it is a sequence of."""
    if isinstance(decoder, dict):
        yield str(decoder.get("type"))
        for part in decoder.get("decoders", ()):
            yield from _types(part)


def _plain(name: str) -> str:
    """Return a token's text where `▁` stands for a space."""
    if len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
        return bytes([int(name[3:5], 16)]).decode("utf-8", "replace")
    return name.replace("\u2581", " ")


def _from_bytes() -> Any:
    """Return the text of tokens that are bytes written as letters (GPT-2's alphabet).

    Printable bytes of Latin-1 stand for themselves, the others for the letters from U+0100 on.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    alphabet |= {chr(256 + place): byte for place, byte in enumerate(others)}

    def read(name: str) -> str:
        if not all(letter in alphabet for letter in name):
            return name
        return bytes(alphabet[letter] for letter in name).decode("utf-8", "replace")

    return read
