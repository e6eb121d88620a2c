"""Freed memory back to the operating system.

An allocator keeps what was freed, in the expectation that as much will be asked for again. Vectors
over a million units leave holes of tens of megabytes between them, which nothing else fits into.
"""

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Give whole pages that were freed back, where the C library can: glibc. It takes a moment."""
    _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    try:
        found: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another library, or another system
        return lambda _: None
    return found
