"""Importing the package costs neither scipy nor the conic solver."""

import subprocess
import sys

import pattern_lang.solve


def test_the_package_is_lazy() -> None:
    code = (
        "import sys, pattern_lang.solve as s; "
        "assert not {'scipy', 'clarabel', 'torch'} & set(sys.modules), sorted(sys.modules); "
        "assert s.WeightProgram and s.verdicts and s.solve_pattern and callable(s.verdicts)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there() -> None:
    for name in pattern_lang.solve.__all__:
        assert callable(getattr(pattern_lang.solve, name))
