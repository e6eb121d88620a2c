"""What `pat compile` says of inputs that only a run can find wrong: one broken project each.

`PAT_UPDATE_GOLDEN=1 pytest tests/golden` writes the texts anew; read them before keeping them.
"""

import os
import re
from pathlib import Path

import pytest

from pattern_lang.cli.app import run
from pattern_lang.diagnostics.catalogue import all_problems
from tests.golden.test_bad import ELSEWHERE, SPECS, UPDATE
from tests.test_structure.rooms import ROOT

TEXTS = Path(__file__).parent / "run"
MODEL = """import torch


class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(width))

    def unit_loss(self, batch):
        return (batch["x"] - self.weight.sum()) ** 2


def build(width=1):
    return Net(width)
"""
DATA = """def rows():
    return [{"x": 0.5 + 0.1 * i, "kind": "ab"[i % 2]} for i in range(16)]
"""
SPEC = """edition 2026

model net = torch("model.py:build")
data rows = python("data.py:rows")
data some = rows where row.kind == "a"

observable error = loss(net, on: some)

pattern steer {
  reweight rows per sample as w
  lower    error by 0.1 sd
  require  0 <= w <= 4
  estimate sgld(step: 1e-2, nbeta: 30, localization: 300, batch: 16, chains: 2, draws: 999)
}
"""
RETURN = "return (batch["

# The code, the file that is broken, what is replaced there, and by what.
CASES = {
    "file_missing": ("PAT4001", "spec.pat", "model.py", "modle.py"),
    "code_outside": ("PAT4002", "spec.pat", "data.py", "../data.py"),
    "function_missing": ("PAT4003", "spec.pat", "model.py:build", "model.py:built"),
    "code_failed": ("PAT4004", "data.py", "return [", "return 1 / 0 or ["),
    "no_module": ("PAT4011", "model.py", "return Net(width)", "return {'width': width}"),
    "weights_unreadable": ("PAT4012", "spec.pat", ":build", ':build", weights: "spec.pat'),
    "no_unit_loss": ("PAT4015", "model.py", "unit_loss", "some_loss"),
    "wrong_unit_loss": ("PAT4016", "model.py", "** 2", "** 2 * torch.ones(3, 1)"),
    "loss_not_finite": (
        "PAT4017",
        "model.py",
        RETURN,
        "return (self.weight.sum() - 1).log() * (batch[",
    ),
    "nothing_trainable": ("PAT4018", "model.py", "torch.ones(width)", "torch.ones(width), False"),
    "no_rows": ("PAT4021", "data.py", "return [", "return 3  # ["),
    "data_unreadable": ("PAT4022", "spec.pat", 'python("data.py:rows")', 'jsonl("model.py")'),
    "data_empty": ("PAT4023", "data.py", "range(16)", "range(0)"),
    "field_missing": (
        "PAT4024",
        "data.py",
        '"kind": "ab"[i % 2]',
        '**({"kind": "a"} if i else {})',
    ),
    "field_uneven": ("PAT4025", "data.py", "0.5 + 0.1 * i", "[0.5] * (i + 1)"),
    "field_not_finite": ("PAT4026", "data.py", "0.5 + 0.1 * i", "1e400"),
    "field_unknown": ("PAT4027", "spec.pat", "row.kind", "row.kid"),
    "predicate_of_kinds": ("PAT4028", "spec.pat", 'row.kind == "a"', "row.kind > 3"),
    "predicate_keeps_nothing": ("PAT4029", "spec.pat", '== "a"', '== "c"'),
    "step_unstable": ("PAT4043", "spec.pat", "step: 1e-2", "step: 1"),
    "unsound": ("PAT4052", "spec.pat", "draws: 999", "draws: 6"),
    "infeasible": ("PAT5001", "spec.pat", "0.1 sd", "9000 sd"),
    "path_taken": ("PAT6003", "spec.pat", "  estimate", '  emit weights("plan.json")\n  estimate'),
    "path_no_parquet": ("PAT6004", "spec.pat", "  estimate", '  emit weights("w.csv")\n  estimate'),
}
# Codes that take more than a broken text, and the tests that make them.
TESTED = {
    "PAT4013": "whole/test_statuses.py::test_a_checkpoint_of_another_shape",
    "PAT4014": "estimate/test_estimate_bad_inputs.py::test_weights_that_do_not_fit",
    "PAT4031": "estimate/test_estimate_token_mistakes.py::test_a_package_that_is_not_installed",
    "PAT4032": "estimate/test_estimate_token_mistakes.py::test_bad_tokenizers",
    "PAT4033": "estimate/test_estimate_token_mistakes.py::test_losses_per_row_have_no_tokens",
    "PAT4034": "estimate/test_estimate_token_mistakes.py::test_bad_options",
    "PAT4035": "estimate/test_estimate_token_mistakes.py::test_tokens_beyond_the_vocabulary",
    "PAT4036": "estimate/test_estimate_token_mistakes.py::test_predicates_need_tokens_and_texts",
    "PAT4037": "estimate/test_estimate_token_mistakes.py::test_a_loss_that_is_off_by_one",
    "PAT4038": "estimate/test_estimate_token_mistakes.py::test_models_that_disagree",
    "PAT4039": "estimate/test_estimate_language_models.py::test_folders_that_are_no_models",
    "PAT4040": "estimate/test_estimate_token_mistakes.py::test_nan_by_arithmetic_spoils_the_gradient",
    "PAT4041": "estimate/test_estimate_bad_inputs.py::test_what_is_not_available_is_told_at_once",
    "PAT4042": "estimate/test_estimate_bad_inputs.py::test_free_energy_on_other_data",
    "PAT4051": "whole/test_statuses.py::test_a_diverging_chain",
    "PAT4053": "estimate/test_estimate_processes.py::test_a_process_that_is_killed",
    "PAT4054": "estimate/test_estimate_ranks.py::test_a_rank_that_makes_no_sense",
    "PAT4095": "estimate/test_estimate_calibrate_kinds.py::test_samplers_that_have_no_step",
    "PAT4056": "whole/test_calibrate.py::test_nothing_is_sound",
    "PAT4061": "estimate/test_estimate_components.py::test_mistakes",
    "PAT4062": "estimate/test_estimate_components.py::test_mistakes",
    "PAT4063": "estimate/test_estimate_components.py::test_mistakes",
    "PAT4064": "estimate/test_estimate_components.py::test_mistakes",
    "PAT4065": "estimate/test_estimate_components.py::test_mistakes",
    "PAT4066": "estimate/test_estimate_restricted.py::test_wrong_observables",
    "PAT4067": "estimate/test_estimate_restricted.py::test_incomplete_observables",
    "PAT4068": "estimate/test_estimate_restricted.py::test_nested_restrictions",
    "PAT4069": "oracles/test_directions_exact.py::test_directions_that_do_not_exist",
    "PAT4070": "oracles/test_directions_exact.py::test_directions_that_do_not_exist",
    "PAT4071": "oracles/test_directions_exact.py::test_equal_singular_values_are_told",
    "PAT4044": "estimate/test_estimate_references.py::test_learning_coefficients_have_no_closed_form",
    "PAT4075": "estimate/test_estimate_pathwise.py::test_a_function_of_ones_own_has_no_derivative",
    "PAT4045": "estimate/test_estimate_references.py::test_a_flat_loss_needs_localization",
    "PAT5002": "solve/test_solve_verdicts.py",
    "PAT5003": "solve/test_solve_verdicts.py::test_inaccurate",
    "PAT5004": "solve/test_solve_verdicts.py",
    "PAT5005": "solve/test_solve_verdicts.py",
    "PAT5006": "solve/test_solve_bad_input.py",
    "PAT5007": "solve/test_solve_bad_input.py",
    "PAT5008": "solve/test_solve_bad_input.py",
    "PAT5009": "solve/test_solve_bad_input.py",
    "PAT5010": "solve/test_solve_atoms.py",
    "PAT5011": "solve/test_solve_bad_input.py",
    "PAT5020": "solve/test_solve_verdicts.py::test_goals_that_repeat_each_other_are_named",
    "PAT5027": "solve/test_solve_soften.py",
    "PAT5028": "solve/test_solve_frontier.py::test_nothing_to_trade",
    "PAT5029": "solve/test_solve_rules.py::test_programs_without_a_rule",
    "PAT5030": "solve/test_solve_soften.py::test_goals_that_are_mostly_noise_are_met_with_a_warning",
    "PAT6001": "emit/test_emit_targets.py",
    "PAT6002": "emit/test_emit_targets.py",
    "PAT6005": "emit/test_emit_folder.py",
    "PAT6006": "emit/test_emit_folder.py",
    "PAT6007": "emit/test_emit_read.py",
    "PAT6008": "emit/test_emit_read.py",
    "PAT6009": "emit/test_emit_read.py",
    "PAT9001": "diagnostics/test_diagnostics_catalogue.py",
    "PAT7001": "train/test_train_mistakes.py::test_nothing_says_how",
    "PAT7002": "train/test_train_mistakes.py::test_what_is_no_optimizer",
    "PAT7003": "train/test_train_mistakes.py::test_what_cannot_be_measured",
    "PAT7004": "train/test_train_mistakes.py::test_a_measure_that_is_no_number",
    "PAT7005": "train/test_train_mistakes.py::test_a_rate_that_is_too_large",
    "PAT7006": "train/test_train_runs.py::test_another_run_is_not_overwritten",
    "PAT7007": "train/test_train_runs.py::test_one_process_at_a_time",
    "PAT7008": "train/test_train_mistakes.py::test_a_spec_that_has_changed",
    "PAT7009": "train/test_train_mistakes.py::test_data_that_have_changed",
    "PAT7010": "train/test_train_mistakes.py::test_a_plan_without_weights",
    "PAT7011": "train/test_train_mistakes.py::test_two_networks",
    "PAT7012": "train/test_train_study.py::test_a_heuristic_that_says_nothing",
    "PAT7013": "train/test_train_study.py::test_which_study",
    "PAT7014": "train/test_train_study.py::test_a_study_that_has_changed",
    "PAT7015": "train/test_train_study.py::test_patterns_on_different_units",
    "PAT7016": "train/test_train_study.py::test_a_study_of_nothing",
    "PAT7017": "train/test_train_mistakes.py::test_devices_that_are_not_there",
    "PAT7020": "train/test_study_mistakes.py::test_an_arm_that_diverges",
    "PAT7030": "train/test_train_online.py::test_several_networks_and_checkpoints",
    "PAT7031": "train/test_train_online.py::test_a_round_that_is_lost",
}

MEASURED = ("unsound", "infeasible")
NUMBER = re.compile(r"(?<![A-Za-z\d.])\d+(\.\d+)?(e[+-]?\d+)?")


@pytest.mark.parametrize("name", CASES)
def test_what_compile_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, broken, old, new = CASES[name]
    for file, text in (("model.py", MODEL), ("data.py", DATA), ("spec.pat", SPEC)):
        assert file != broken or old in text
        changed = text.replace(old, new) if file == broken else text
        (tmp_path / file).write_text(changed, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    status = run(["compile", "spec.pat", "-o", "build", "--jobs", "1"])
    said = _findings(capsys.readouterr().err)
    said = NUMBER.sub("N", said) if name in MEASURED else said
    assert status == all_problems()[code].exit_status
    assert f"[{code}]" in said
    assert "Traceback" not in said
    written = (tmp_path / "build" / "steer" / "weights.parquet").exists()
    assert written == (name == "unsound")
    golden = TEXTS / f"{name}.txt"
    if os.environ.get(UPDATE):
        golden.write_text(said, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == said


def _findings(said: str) -> str:
    """Return what was said from the first finding on: the lines before it are about progress."""
    found = re.search(r"(error|warning)\[", said)
    return said[found.start() :] if found else said


def test_every_text_has_its_case() -> None:
    assert {path.stem for path in TEXTS.glob("*.txt")} == set(CASES)


def test_every_code_has_a_golden_or_a_test_that_gives_it() -> None:
    shown = "".join(path.with_suffix(".txt").read_text("utf-8") for path in SPECS)
    given = set(re.findall(r"\[(PAT\w+)\]", shown)) | set(ELSEWHERE)
    given |= {code for code, *_ in CASES.values()} | set(TESTED)
    assert set(all_problems()) == given


@pytest.mark.parametrize("code", TESTED)
def test_the_test_of_a_code_names_it(code: str) -> None:
    path, _, function = TESTED[code].partition("::")
    text = (ROOT / "tests" / path).read_text(encoding="utf-8")
    assert code in text or re.search(rf"\b{all_problems()[code].__name__}\b", text)
    assert f"def {function}" in text
