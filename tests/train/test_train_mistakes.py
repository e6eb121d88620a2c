"""What `pat train` says of what it cannot train."""

from collections.abc import Callable
from pathlib import Path

import pattern_lang as pl

Pat = Callable[..., tuple[int, str]]
PLAN = Path("build/steer")
SGD = "sgd(lr: 0.05, steps: 10, batch: 8)"


def changed(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def again(project: Path) -> None:
    pl.load(project / "spec.pat").compile("steer", out=project / "build")


def test_nothing_says_how(project: Path, pat: Pat) -> None:
    changed(
        project / "spec.pat", "  using    sgd(lr: 0.05, momentum: 0.9, steps: 60, batch: 8)\n", ""
    )
    again(project)
    status, said = pat("train", PLAN)
    assert (status, "error[PAT7001]" in said) == (1, True)
    assert "add `using adamw(…)` to study `one`" in said
    assert "there is no study `two`" in pat("train", PLAN, "--study", "two")[1]


def test_what_is_no_optimizer(project: Path, pat: Pat) -> None:
    using = 'python("metrics.py:{}", steps: 5, batch: 8, lr: 0.1)'
    assert pat("train", PLAN, "--using", using.format("plain"))[0] == 0
    status, said = pat("train", PLAN, "--using", using.format("forgotten"), "-o", "other")
    assert (status, "error[PAT7002]" in said) == (1, True)


def test_settings_out_of_range(project: Path, pat: Pat) -> None:
    for using in (
        "sgd(lr: 0, steps: 10, batch: 8)",
        'sgd(lr: 0.1, steps: 10, batch: 8, start: "anywhere")',
        "sgd(lr: 0.1, steps: 10, batch: 8, nesterov: true)",
        "sgd(lr: 0.1, steps: 10, batch: 8, momentum: 0, nesterov: true)",
        "adamw(lr: 0.1, steps: 10, batch: 8, betas: [0.9])",
    ):
        status, said = pat("train", PLAN, "--using", using)
        assert (status, "error[PAT2010]" in said) == (1, True), using
    assert not (PLAN / "train").exists()


def test_what_cannot_be_measured(project: Path, pat: Pat) -> None:
    changed(project / "spec.pat", "measure  error", "measure  llc(line, on: odd)")
    again(project)
    status, said = pat("train", PLAN)
    assert (status, "error[PAT7003]" in said) == (1, True)


def test_a_measure_that_is_no_number(project: Path, pat: Pat) -> None:
    changed(project / "spec.pat", "metrics.py:largest", "metrics.py:nothing")
    again(project)
    status, said = pat("train", PLAN)
    assert (status, "error[PAT7004]" in said) == (1, True)


def test_a_rate_that_is_too_large(project: Path, pat: Pat) -> None:
    status, said = pat("train", PLAN, "--using", "sgd(lr: 1e9, steps: 90, batch: 8)")
    assert (status, "error[PAT7005]" in said) == (4, True)
    assert not (PLAN / "train/seed-0/model.safetensors").exists()


def test_a_spec_that_has_changed(project: Path, pat: Pat, monkeypatch: object) -> None:
    (project / "spec.pat").rename(project / "moved.pat")
    status, said = pat("train", PLAN, "--using", SGD)
    assert (status, "error[PAT7008]" in said, "not to be found" in said) == (1, True, True)
    assert pat("train", PLAN, "--using", SGD, "--spec", "moved.pat")[0] == 0
    changed(project / "moved.pat", "0.0005 nats", "0.0006 nats")
    status, said = pat("train", PLAN, "--using", SGD, "--spec", "moved.pat")
    assert (status, "has changed since" in said) == (1, True)


def test_data_that_have_changed(project: Path, pat: Pat) -> None:
    changed(project / "data.py", "0.3 *", "0.31 *")
    status, said = pat("train", PLAN)
    assert (status, "error[PAT7009]" in said) == (1, True)


def test_a_plan_without_weights(project: Path, pat: Pat) -> None:
    changed(project / "spec.pat", "0.0005 nats", "90 nats")
    again(project)
    status, said = pat("train", PLAN)
    assert (status, "error[PAT7010]" in said, "infeasible" in said) == (1, True, True)


def test_two_networks(project: Path, pat: Pat) -> None:
    changed(
        project / "spec.pat",
        "observable error",
        'model other = torch("model.py:build", width: 3, weights: "best.safetensors")\nobservable second = loss(other, on: odd)\nobservable error',
    )
    changed(project / "spec.pat", "  require", "  hold     second within 9 nats\n  require")
    again(project)
    status, said = pat("train", PLAN)
    assert (status, "error[PAT7011]" in said) == (1, True)
    using = "sgd(lr: 0.05, steps: 10, batch: 8, network: line)"
    status, said = pat("train", PLAN, "--using", using)
    assert status == 0, said


def test_devices_that_are_not_there(project: Path, pat: Pat) -> None:
    for device in ("nowhere", "meta", "cuda:99"):
        status, said = pat("train", PLAN, "--device", device)
        assert (status, "error[PAT7017]" in said) == (1, True), device
    assert not (PLAN / "train").exists()


def test_a_spec_whose_lines_end_otherwise_is_the_same(project: Path, pat: Pat) -> None:
    text = (project / "spec.pat").read_bytes()
    (project / "spec.pat").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    status, said = pat("train", PLAN, "--using", SGD)
    assert status == 0, said
    (project / "spec.pat").write_bytes(b"\xff\xfe")
    assert "PAT7008" in pat("train", PLAN, "--using", SGD)[1]
