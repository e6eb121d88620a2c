"""Keeping freed memory for the next step.

A step frees what the next one asks for again. The allocator of glibc gives memory at the end of its
heap back to the system, and asks for large pieces anew; each page is then mapped and cleared again,
which takes a sixth of the time of small networks.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT = 256 * 2**20  # bytes at the end of the heap that are kept
_MAPPED = 32 * 2**20  # from here on pieces are mapped each time: the most that glibc takes


def keep_freed_memory() -> None:
    """Let this process keep memory that it frees; does nothing without glibc.

    glibc's own limits grow to an eighth of these, with what a program frees.
    """
    if not sys.platform.startswith("linux"):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _MAPPED)
        set_option(_TRIM_THRESHOLD, _KEPT)
