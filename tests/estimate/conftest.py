"""Fixtures of the estimator's tests."""

from pathlib import Path

import killed
import pytest
from estimate_samples import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process, which nothing disturbs, makes of the project of `killed`."""
    folder = tmp_path_factory.mktemp("alone")
    killed.compiled(killed.project(folder), "-o", folder / "out")
    return folder / "out" / "steer"
