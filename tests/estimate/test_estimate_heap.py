"""Memory that is freed is kept for the next step."""

import platform
import resource

import pytest
import torch

from pattern_lang.estimate.heap import keep_freed_memory

PAGES = 16 * 2**20 // 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an allocator with other rules")
def test_freed_memory_is_not_mapped_again() -> None:
    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            torch.ones(8, PAGES * 1024 // 8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    keep_freed_memory()
    faults()
    assert faults() < PAGES
