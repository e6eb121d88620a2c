"""One estimate by one tool in a process of its own: `python sampling.py ours|peer|spec CASE OUT`.

CASE is a JSON file, OUT gets the figures as JSON and χ as .npy. CPU time is that of the process,
without imports; the rate of matrix products is measured before and after.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent

SPEC = """edition 2026

{use}
model lm = torch("{model}.py:build", weights: "{folder}/{model}.safetensors"{loss})
data text = jsonl("{data}")

{observables}
pattern p {{
  reweight text per token as w
  shift    {targets} by 0.01 sd
  minimize sum_squares(w - 1)
  estimate sgld(
    step: {step}, nbeta: {nbeta}, localization: {localization}, batch: {batch}, chains: {chains},
    draws: {draws}, burn_in: {burn_in}, thin: {thin} steps, seed: {seed},
    estimator: "{estimator}"
  )
}}
"""


def product_rate() -> float:
    """Return the operations per CPU second of a large float32 matrix product."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    torch.mm(a, b)
    start, times = time.process_time(), 8
    for _ in range(times):
        torch.mm(a, b)
    return 2 * 1024**3 * times / (time.process_time() - start)


def ours(case: dict[str, Any]) -> dict[str, Any]:
    """Estimate χ of the mean loss, and the learning coefficient, by this project."""
    from pattern_lang.diagnostics import SourceFile
    from pattern_lang.driver import read_spec
    from pattern_lang.estimate import SilentReporter, estimate
    from pattern_lang.syntax.bundle import FileBundle

    heads = [
        f"observable head_{layer}_{head} = restrict(loss(lm, on: text), to: "
        f'transformer.head(lm, {layer}, {head}), posterior: "component")'
        for layer, head in case.get("heads", [])
    ]
    names = [f"head_{layer}_{head}" for layer, head in case.get("heads", [])]
    every = ["mean_loss", "coefficient", *names] if case.get("whole", True) else names
    targets = "\n  shift    ".join(f"{name} by 0.01 sd" for name in every)
    means = ["mean_loss = loss(lm, on: text)", "coefficient = llc(lm, on: text)"]
    both = [f"observable {item}" for item in means] if case.get("whole", True) else []
    own = case["model"] == "brackets"
    text = SPEC.format(
        loss=', loss: "brackets.py:unit_loss"' if own else "",
        use="use std.transformer\n" if heads else "",
        observables="\n".join([*both, *heads]),
        targets=targets.removesuffix(" by 0.01 sd"),
        **{"estimator": "covariance"}
        | {name: value for name, value in case.items() if name != "heads"},
    )
    spec = read_spec(SourceFile(str(HERE / "benchmark.pat"), text), FileBundle(), {})
    if spec.diagnostics:
        raise SystemExit("\n".join(d.message for d in spec.diagnostics))
    queries = spec.lowered.patterns["p"].queries
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        found = estimate(queries, Path(folder), reporter=SilentReporter(), fresh=True, workers=1)
        seconds = time.process_time() - start
    chi = found.susceptibility
    figures = {d.posterior: dict(d.figures) for d in found.diagnostics}
    answer: dict[str, Any] = {"seconds": seconds, "figures": figures}
    if "mean_loss" in every:
        row, of_llc = chi.row("mean_loss"), chi.row("coefficient")
        answer |= {
            "chi": chi.chi[row].astype(np.float64),
            "stderr": chi.stderr[row].astype(np.float64),
            "llc": float(chi.mean[of_llc]),
            "llc_stderr": float(chi.mean_stderr[of_llc]) if chi.mean_stderr is not None else 0.0,
        }
    return answer


def spec(case: dict[str, Any]) -> dict[str, Any]:
    """Estimate what a pattern of a spec asks for, with some of its sampler's settings changed."""
    from attrs import evolve

    from pattern_lang.api import read_file
    from pattern_lang.estimate import SilentReporter, estimate

    queries = read_file(case["spec"], {}, ()).lowered.patterns[case["pattern"]].queries
    queries = evolve(queries, sampler=evolve(queries.sampler, **case["sampler"]))
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        found = estimate(queries, Path(folder), reporter=SilentReporter(), fresh=True, workers=1)
        seconds = time.process_time() - start
    chi = found.susceptibility
    return {
        "seconds": seconds,
        "observables": list(chi.observables),
        "chi": chi.chi.astype(np.float64),
        "stderr": chi.stderr.astype(np.float64),
    }


def peer(case: dict[str, Any]) -> dict[str, Any]:
    """Estimate the same by devinterp, as its documentation has it."""
    import datasets
    from devinterp.slt.llc import compute_llc
    from devinterp.slt.sampling import sample
    from devinterp.slt.susceptibilities import compute_susceptibilities
    from safetensors.torch import load_file

    sys.path.insert(0, str(HERE))
    module = __import__(case["model"])
    rows = [json.loads(line)["input_ids"] for line in Path(case["data"]).read_text().splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        network = module.build()
        network.load_state_dict(load_file(f"{case['folder']}/{case['model']}.safetensors"))
        data = datasets.Dataset.from_dict({"input_ids": rows}).with_format("torch")
        samples = sample(
            network,
            data,
            {"text": (data, len(rows) // case["batch"])},
            lr=case["step"],
            n_beta=case["nbeta"],
            localization=case["localization"],
            num_chains=case["chains"],
            num_draws=case["draws"],
            batch_size=case["batch"],
            num_burnin_steps=case["burn_in"],
            num_steps_bw_draws=case["thin"],
            init_seed=1000 * case["seed"] + 100,
            match_sampling_input_ids_across_chains=case.get("match", True),
            loss_fn=getattr(module, "token_losses", None),
            device="cpu",
            output_path=Path(folder, "samples.zarr"),
        )
        tree = {"full": samples, "all": samples}
        found = compute_susceptibilities(tree, "text", include_sampling_task=True)
        seconds = time.process_time() - start
        coefficient = compute_llc(samples)
        ids = samples.dataset["input_ids_text"].values
        losses = samples.dataset["loss_text"].values.astype(np.float64)
        initial = float(samples.dataset["init_loss"].values.mean())
    chi = found["susceptibilities"]["sus"].values.reshape(losses.shape[2:])
    # Its rows are shuffled: put them back.
    places = {tuple(row): number for number, row in enumerate(rows)}
    order = np.argsort([places[tuple(row)] for row in ids.tolist()])
    losses = losses[:, :, order].reshape(*losses.shape[:2], -1)
    means = losses.mean(2) - initial
    per_chain = case["nbeta"] * means.mean(1)
    return {
        "seconds": seconds,
        "chi": chi[order].reshape(-1),
        "stderr": batch_errors(losses),
        "llc": float(per_chain.mean()),
        "llc_stderr": float(per_chain.std(ddof=1) / np.sqrt(len(per_chain))),
        "llc_reported": float(coefficient.llc_mean),
    }


def batch_errors(losses: np.ndarray) -> np.ndarray:
    """Return standard errors of χ, which devinterp has not, from five batches of each chain."""
    centred = losses - losses.mean((0, 1))
    own = centred.mean(2)
    parts = [
        -(own[chain, piece, None] * (centred[chain, piece] - own[chain, piece, None])).mean(0)
        for chain in range(len(losses))
        for piece in np.array_split(np.arange(losses.shape[1]), 5)
    ]
    return np.std(parts, axis=0, ddof=1) / np.sqrt(len(parts))


def main() -> None:
    """Run one case."""
    torch.set_num_threads(1)
    tool, case, out = sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3])
    before = product_rate()
    found = {"ours": ours, "peer": peer, "spec": spec}[tool](case)
    found["rate"] = (before + product_rate()) / 2
    arrays = {name: found.pop(name) for name in ("chi", "stderr") if name in found}
    np.savez(out.with_suffix(".npz"), **arrays)
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
