"""Fixtures of the estimator's tests."""

from pathlib import Path

import pytest
from estimate_samples import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
