"""Canonical JSON, digests, and plain values out of numpy, enums and attrs values."""

import hashlib
import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import attrs
import numpy as np

from pattern_lang.emit.content import Content, chunks_of


def clean_text(text: str) -> str:
    """Return text that UTF-8 can carry: lone surrogates become the replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain(value: Any) -> Any:
    """Return a value as JSON types; what is not finite becomes null, -0 becomes 0."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return clean_text(value)
        case Enum():
            return plain(value.value)
        case float():
            return value + 0.0 if math.isfinite(value) else None
        case np.generic() | np.ndarray():
            return plain(value.tolist())
        case Mapping():
            return {clean_text(str(key)): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case set() | frozenset():
            return sorted((plain(item) for item in value), key=repr)
    if attrs.has(type(value)):
        return plain(attrs.asdict(value, recurse=False))
    return clean_text(str(value))


def canonical_json(value: Any) -> bytes:
    """Return JSON that is the same bytes for the same value: sorted keys, no NaN, one newline."""
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return (text + "\n").encode()


def compact_json(value: Any) -> str:
    """Return canonical JSON on one line, for the metadata of binary files."""
    return json.dumps(
        plain(value),
        sort_keys=True,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )


def digest(content: Content) -> str:
    """Return `sha256:…` of some bytes."""
    total = hashlib.sha256()
    for chunk in chunks_of(content):
        total.update(chunk)
    return f"sha256:{total.hexdigest()}"


def portable_name(name: str) -> str:
    """Return how a file is called wherever the run happens: an absolute path keeps its last name.

    Accepts `path:line:column` as well.
    """
    if PurePosixPath(name).is_absolute():
        return clean_text(PurePosixPath(name).name)
    if PureWindowsPath(name).is_absolute():
        return clean_text(PureWindowsPath(name).name)
    return clean_text(name)
