"""A small project for `pat compile`, and running it in processes that may be killed."""

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from textwrap import dedent
from unittest.mock import patch

from estimate_samples import CLASSIFIER, ROWS

from pattern_lang.cli.app import run
from pattern_lang.estimate.running import look

# Rank 1 of a torchrun dies in its first attempt, if asked to, in the midst of a chain.
DYING = CLASSIFIER.replace(
    "            scores =",
    """            import os, signal
            Net.calls = getattr(Net, "calls", 0) + 1
            doomed = os.environ.get("DIE") and os.environ.get("RANK") == "1"
            if doomed and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0" and Net.calls > 2000:
                os.kill(os.getpid(), signal.SIGKILL)
            scores =""",
)
SPEC = """
    edition 2026
    model m = torch("model.py:build")
    data train = python("data.py:train")
    data probe = python("data.py:probe")
    observable seen = loss(m, on: probe)

    pattern steer {{
      reweight train per sample as w
      lower    seen by 0.1 sd
      require  0 <= w <= 5
      require  mean(w) == 1
      minimize sum_squares(w - 1)
      estimate {kind}(step: {step}, nbeta: 50, localization: 20, batch: 8, chains: {chains},
                      draws: {draws}, burn_in: 200, thin: 10)
    }}
"""
STEPS = {"sgld": 2e-3, "rmsprop_sgld": 2e-4}


def project(
    folder: Path, draws: int = 250, chains: int = 4, kind: str = "sgld", name: str = ""
) -> Path:
    """Write a project and return its spec."""
    for file, text in (("model.py", DYING), ("data.py", ROWS)):
        (folder / file).write_text(dedent(text))
    spec = folder / f"{name or kind}.pat"
    text = SPEC.format(kind=kind, step=STEPS[kind], chains=chains, draws=draws)
    spec.write_text(dedent(text))
    return spec


def environment(**more: str) -> dict[str, str]:
    """Return an environment without a launcher's variables, with frequent checkpoints."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "RANK", "WORLD"))}
    return {**kept, "PAT_CHECKPOINT_SECONDS": "0.05", "OMP_NUM_THREADS": "1", **more}


def start(
    *arguments: str | Path, launcher: tuple[str, ...] = (), **more: str
) -> subprocess.Popen[str]:
    """Start `pat` in a process group of its own, in which Ctrl-C is heeded."""
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "pattern_lang", *map(str, arguments)],
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a process, which has to end well; return what it said."""
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, out + err
    return err


def compiled(*arguments: str | Path, **more: str) -> str:
    """Run `pat compile` in this process alone, which has to end well; return what it said."""
    words = ["compile", *map(str, arguments), "--jobs", "1"]
    told = io.StringIO()
    with (
        patch.dict(os.environ, environment(**more), clear=True),
        redirect_stdout(told),
        redirect_stderr(told),
    ):
        status = run(words)
    assert status == 0, told.getvalue()
    return told.getvalue()


def steps_done(out: Path) -> int:
    """Return the steps that the chains below an output folder can go on from."""
    return sum(sum(item.done) for item in look(out / ".cache"))


def wait_for(process: subprocess.Popen[str], out: Path, steps: int) -> None:
    """Wait until the chains have done some steps; the process has to be at it still."""
    while steps_done(out) < steps:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    assert process.poll() is None


def same_files(one: Path, two: Path) -> bool:
    """Tell whether two output folders of a pattern hold the same bytes."""
    names = sorted(path.name for path in one.iterdir())
    assert "plan.json" in names
    return names == sorted(path.name for path in two.iterdir()) and all(
        (one / name).read_bytes() == (two / name).read_bytes() for name in names
    )
