"""What is left of the output when writing fails, is killed, or is done twice at once."""

import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pattern_lang.diagnostics import PatternError
from pattern_lang.emit.canonical import canonical_json, digest
from pattern_lang.emit.folder import FileSet

PLAN = "plan.json"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def file_set(folder: Path, mark: str, size: int = 2000) -> FileSet:
    files = {f"{name}/{name}.bin": (mark + name).encode() * size for name in "abc"}
    files["shared.bin"] = b"the same in every set"
    plan = {"files": {name: digest(content) for name, content in files.items()}, "mark": mark}
    return FileSet(folder, {**files, PLAN: canonical_json(plan)}, PLAN)


def assert_whole(folder: Path) -> str:
    plan = json.loads((folder / PLAN).read_bytes())
    for name, expected in plan["files"].items():
        assert digest((folder / name).read_bytes()) == expected
    return str(plan["mark"])


def in_child(work: Callable[[], None]) -> int:
    """Run in a forked process; return its exit status, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except PatternError as error:
            os._exit(int(error.diagnostics[0].code.removeprefix("PAT")) - 6000 + 100)
        except BaseException:
            os._exit(99)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


def as_ordinary_user(work: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        if os.getuid() == 0:  # root may write anywhere
            os.setuid(65534)
        work()

    return run


def test_read_only_folder_keeps_the_old_output(open_folder: Path) -> None:
    folder = open_folder / "steer"
    file_set(folder, "old").write()
    folder.chmod(0o555)
    assert in_child(as_ordinary_user(file_set(folder, "new").write)) == 105
    assert assert_whole(folder) == "old"
    assert [path.name for path in open_folder.iterdir()] == ["steer"]


def test_read_only_parent_keeps_the_old_output(open_folder: Path) -> None:
    folder = open_folder / "steer"
    file_set(folder, "old").write()
    open_folder.chmod(0o555)
    assert in_child(as_ordinary_user(file_set(folder, "new").write)) == 105
    assert in_child(as_ordinary_user(file_set(folder, "old").write)) == 0  # nothing to write
    assert assert_whole(folder) == "old"


def test_the_diagnostic_names_the_path_and_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "steer"
    file_set(folder, "old").write()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pattern_lang.emit.folder._write_through", refuse)
    with pytest.raises(PatternError) as caught:
        file_set(folder, "new").write()
    (found,) = caught.value.diagnostics
    assert found.code == "PAT6006"
    assert str(folder / "a/a.bin") in found.message
    assert "No space left" in found.message
    assert found.notes == ("the earlier output in the folder is unchanged",)
    assert assert_whole(folder) == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["steer"]


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("a file")
    with pytest.raises(PatternError) as caught:
        file_set(tmp_path / "build" / "steer", "new").write()
    assert caught.value.diagnostics[0].code == "PAT6005"
    (tmp_path / "steer").write_text("a file")
    with pytest.raises(PatternError):
        file_set(tmp_path / "steer", "new").write()
    assert (tmp_path / "steer").read_text() == "a file"


def test_a_folder_in_the_way_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "steer" / "shared.bin").mkdir(parents=True)
    with pytest.raises(PatternError) as caught:
        file_set(tmp_path / "steer", "new").write()
    assert caught.value.diagnostics[0].code == "PAT6005"
    assert not (tmp_path / "steer" / PLAN).exists()


def test_no_space_by_a_limit_on_file_sizes(tmp_path: Path) -> None:
    folder = tmp_path / "steer"
    file_set(folder, "old").write()

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        file_set(folder, "new").write()

    assert in_child(work) == 106
    assert assert_whole(folder) == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["steer"]


def test_no_space_on_a_full_disk(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(tmp_path)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        folder = tmp_path / "steer"
        file_set(folder, "old").write()
        with pytest.raises(PatternError) as caught:
            file_set(folder, "new", 60_000).write()
        assert caught.value.diagnostics[0].code == "PAT6006"
        assert assert_whole(folder) == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["steer"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_killed_at_any_step_no_plan_is_left_that_does_not_match(tmp_path: Path) -> None:
    """Die before the k-th change to the file system, for every k; then recover."""
    died = True
    k = 0
    while died:
        base = tmp_path / str(k)
        base.mkdir()
        folder = base / "steer"
        file_set(folder, "old").write()

        def work(limit: int = k, folder: Path = folder) -> None:
            kill_at(limit)
            file_set(folder, "new").write()

        died = in_child(work) == -signal.SIGKILL
        if (folder / PLAN).exists():
            assert assert_whole(folder) in {"old", "new"}
        file_set(folder, "next").write()
        assert assert_whole(folder) == "next"
        assert [path.name for path in base.iterdir()] == ["steer"]
        k += 1
    assert k > 8


def kill_at(limit: int) -> None:
    """Make this process kill itself before its k-th rename, removal, folder or written file."""
    left = [limit]

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return call

    for name in ("replace", "unlink", "mkdir", "open"):
        setattr(Path, name, counted(getattr(Path, name)))


def test_two_processes_in_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "steer"

    def writer(mark: str) -> Callable[[], None]:
        def work() -> None:
            for turn in range(25):
                file_set(folder, f"{mark}{turn}").write()

        return work

    children = []
    for mark in ("one", "two", "three"):
        child = os.fork()
        if child == 0:
            os._exit(0 if in_child(writer(mark)) == 0 else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert assert_whole(folder) in {"one24", "two24", "three24"}
    assert [path.name for path in tmp_path.iterdir()] == ["steer"]
