"""Keeping freed memory for the next step, and giving it back where it is too much.

A step frees what the next one asks for again. The allocator of glibc gives memory at the end of its
heap back to the system, and asks for large pieces anew; each page is then mapped and cleared again,
which takes a sixth of the time of small networks. But vectors over a million units leave holes of
tens of megabytes in the heap, which nothing else fits into.
"""

import ctypes
import sys
from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT = 256 * 2**20  # bytes at the end of the heap that are kept
_MAPPED = 32 * 2**20  # from here on pieces are mapped each time: the most that glibc takes


def keep_freed_memory() -> None:
    """Let this process keep memory that it frees; does nothing without glibc.

    glibc's own limits grow to an eighth of these, with what a program frees.
    """
    set_option = _function("mallopt")
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _MAPPED)
        set_option(_TRIM_THRESHOLD, _KEPT)


def give_back() -> None:
    """Give whole pages that were freed back to the system; does nothing without glibc."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Callable[..., object] | None:
    """Return a function of the C library, None where it has none of that name."""
    if not sys.platform.startswith("linux"):
        return None
    found: Callable[..., object] | None = getattr(ctypes.CDLL(None), name, None)
    return found
