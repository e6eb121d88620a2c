"""A process that samples some chains: `python -m pattern_lang.estimate.worker FOLDER NUMBER`.

It reads its tasks from the folder (see `jobs`) and runs those that no other process has. It counts
its steps in `progress`, one int64 per process, and writes what came out where running chains are
kept, or here if that fails, or `error-NUMBER.json`. It ends when its parent does.
"""

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs

FAILURE = ("action", "place", "error", "file")


def main(folder: Path, worker: int) -> int:
    """Run the tasks of one process and return its exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent tells the user about Ctrl-C
    import torch

    from pattern_lang.estimate.chain import Setting, run_chain
    from pattern_lang.estimate.errors import ChainDivergedError
    from pattern_lang.estimate.heap import keep_freed_memory
    from pattern_lang.estimate.jobs import (
        read_running,
        read_setting,
        read_tasks,
        where_of,
        write_result,
    )
    from pattern_lang.estimate.journal import Journal
    from pattern_lang.estimate.keeping import Keeper
    from pattern_lang.estimate.store import write_json
    from pattern_lang.estimate.user_code import UserCode, failure, is_bug

    torch.set_num_threads(1)
    keep_freed_memory()
    code = UserCode(Journal())
    settings: dict[int, Setting] = {}
    bases: dict[int, Setting] = {}
    advance = _counter(folder, worker)
    running, tell = read_running(folder), partial(_tell, folder / f"told-{worker}")
    for task in read_tasks(folder, worker):
        name, file, root, folders = where_of(folder, task.posterior)
        place = running[task.posterior]
        try:
            with place.claim(task.chain) as mine, code.scope(*folders):
                if not mine or place.progress(task.chain)[1]:
                    continue
                (folder / f"at-{worker}").write_text(str(task.chain))
                if task.posterior not in settings:
                    settings[task.posterior] = read_setting(folder, task.posterior, code, bases)
                setting = settings[task.posterior]
                keeper = Keeper(place, task.chain, task.seed, tell)
                result = run_chain(setting, task.chain, task.seed, advance, task.posterior, keeper)
                if not keeper.kept_all:
                    write_result(folder, task, result)
        except ChainDivergedError as error:
            write_json(folder / f"error-{worker}.json", {"diverged": attrs.asdict(error)})
            return 1
        except Exception as error:
            if is_bug(error, root):
                raise
            problem = failure(error, f"sampling model `{name}`", file, root, None)
            failed = {name: getattr(problem, name) for name in FAILURE}
            write_json(folder / f"error-{worker}.json", {"failed": failed})
            return 1
    return 0


def _tell(file: Path, text: str) -> None:
    """Leave a line for the parent to show."""
    with file.open("a") as sink:
        sink.write(f"{text}\n")


def _counter(folder: Path, worker: int) -> Callable[[int], None]:
    """Return a function that adds steps to this process's count, and watches the parent."""
    import numpy as np

    progress = np.memmap(folder / "progress", dtype=np.int64, mode="r+")
    parent = os.getppid()

    def advance(steps: int) -> None:
        progress[worker] += steps
        if os.getppid() != parent:
            sys.exit(1)

    return advance


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
