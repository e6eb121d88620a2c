"""The generated pages of the documentation are what the sources generate."""

import subprocess
import sys

from tests.test_structure.rooms import ROOT


def test_generated_pages_are_up_to_date() -> None:
    command = [sys.executable, "scripts/reference.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + "run `python scripts/reference.py`"
