"""Fixtures: one estimate and its solution, shared by the tests because making them costs most."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import emit_samples as samples

from pattern_lang.ir.solution import Solution
from pattern_lang.ir.susceptibility import Estimate


@pytest.fixture(scope="session")
def estimate() -> Estimate:
    return samples.estimate()


@pytest.fixture(scope="session")
def solution(estimate: Estimate) -> Solution:
    return samples.solution(estimate)
