"""Oracle tests share the estimator's samples."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "estimate"))

from estimate_samples import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
