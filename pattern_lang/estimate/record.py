"""An estimate taken apart into arrays and JSON, and put together again.

Texts are kept as UTF-8 bytes with offsets. Figures that may be infinite live in the arrays, as JSON
has no word for them.
"""

from itertools import pairwise
from typing import Any

import attrs
import numpy as np

from pattern_lang.estimate.table import Array, text_column
from pattern_lang.ir.noise import Noise
from pattern_lang.ir.susceptibility import (
    ChainTrace,
    Estimate,
    PosteriorDiagnostics,
    Spectrum,
    Susceptibility,
    UnitTable,
)
from pattern_lang.ir.tokens import TokenRows
from pattern_lang.ir.variances import Variances

_MOMENTS = ("chi", "mean", "sd", "mean_stderr")
_FIGURES = (
    "r_hat",
    "effective_draws",
    "autocorrelation_time",
    "anchor_loss",
    "mean_excess",
    "between_within",
)


def arrays_of(estimate: Estimate) -> dict[str, Array]:
    """Return every array of an estimate by name; fields of the units as `number/…`, `text/…`."""
    chi, units = estimate.susceptibility, estimate.units
    arrays: dict[str, Array] = {
        "chi": chi.chi,
        "mean": chi.mean,
        "sd": chi.sd,
        "noise/loadings": chi.noise.loadings,
        "noise/basis": chi.noise.basis,
        "mean_stderr": np.full(len(chi.mean), np.nan)
        if chi.mean_stderr is None
        else chi.mean_stderr,
        "size": units.size,
        "figures": np.array(
            [[getattr(d, figure) for figure in _FIGURES] for d in estimate.diagnostics]
        ),
    }
    if chi.noise.residual is not None:
        arrays["noise/residual"] = chi.noise.residual.kept
    if chi.widening is not None:
        arrays["widening"] = chi.widening
    if units.row is not None:
        arrays["row"] = units.row
    if units.tokens is not None:
        arrays |= _token_arrays(units.tokens)
    for name, column in units.fields.items():
        arrays |= _field_arrays(name, column)
    for number, trace in enumerate(estimate.traces):
        arrays[f"trace/{number}/loss"] = np.asarray(trace.loss)
        arrays[f"trace/{number}/observables"] = np.asarray(trace.observables)
    return arrays


def _token_arrays(tokens: TokenRows) -> dict[str, Array]:
    arrays = {
        "tokens/ids": tokens.ids,
        "tokens/lengths": tokens.lengths,
        "tokens/rows": tokens.rows,
        "tokens/digest": np.frombuffer(tokens.digest.encode(), dtype=np.uint8),
    }
    if tokens.texts is not None:
        arrays |= {f"tokens/texts/{k}": v for k, v in _packed(tokens.texts.tolist()).items()}
    return arrays


def _tokens(arrays: dict[str, Array]) -> TokenRows | None:
    if "tokens/ids" not in arrays:
        return None
    texts = None
    if "tokens/texts/bytes" in arrays:
        names = _unpacked(arrays["tokens/texts/bytes"], arrays["tokens/texts/offsets"])
        texts = np.array(names, dtype=object)
    ids, lengths, rows = (arrays[f"tokens/{name}"] for name in ("ids", "lengths", "rows"))
    return TokenRows(ids, lengths, rows, texts, arrays["tokens/digest"].tobytes().decode())


def _field_arrays(name: str, column: Array) -> dict[str, Array]:
    """Return a column as arrays: texts kept as objects, which recur, once each with codes."""
    if column.dtype.kind not in "OU":
        return {f"number/{name}": column}
    if column.dtype.kind == "U":
        packed = _packed(column.tolist())
        return {f"text/{name}": packed["bytes"], f"offsets/{name}": packed["offsets"]}
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(str(text), len(numbers)) for text in column.tolist()]
    packed = _packed(list(numbers))
    return {
        f"text/{name}": packed["bytes"],
        f"offsets/{name}": packed["offsets"],
        f"codes/{name}": np.array(codes, dtype=np.int32),
    }


def _packed(texts: list[str]) -> dict[str, Array]:
    raw = [text.encode("utf-8", "surrogatepass") for text in texts]
    offsets = np.cumsum([0, *map(len, raw)], dtype=np.int64)
    return {"bytes": np.frombuffer(b"".join(raw), dtype=np.uint8), "offsets": offsets}


def _unpacked(values: Array, offsets: Array) -> list[str]:
    raw, ends = values.tobytes(), offsets.tolist()
    return [raw[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(ends)]


def _fields(arrays: dict[str, Array]) -> dict[str, Array]:
    found = {}
    for key, values in arrays.items():
        kind, _, name = key.partition("/")
        if kind == "number":
            found[name] = values
        elif kind == "text":
            texts, codes = _unpacked(values, arrays[f"offsets/{name}"]), arrays.get(f"codes/{name}")
            found[name] = text_column(texts)
            if codes is not None:
                found[name] = found[name].astype(object)[codes]
    return dict(sorted(found.items()))


def meta_of(estimate: Estimate) -> dict[str, Any]:
    """Return everything else of an estimate, as JSON types."""
    chi, units = estimate.susceptibility, estimate.units
    return {
        "observables": list(chi.observables),
        "observable_units": list(chi.observable_units),
        "nbeta": chi.nbeta,
        "unit": units.unit,
        "filtered": units.filtered,
        "traces": [[t.posterior, t.chain, t.seed] for t in estimate.traces],
        "diagnostics": [
            {
                "posterior": d.posterior,
                "split_half": [[name, repr(value)] for name, value in d.split_half],
                "verdict": d.verdict,
                "sound": d.sound,
                "reasons": list(d.reasons),
                "figures": [list(figure) for figure in d.figures],
            }
            for d in estimate.diagnostics
        ],
        "spectra": [attrs.asdict(spectrum) for spectrum in estimate.spectra],
        "digests": estimate.digests,
        "seconds": estimate.seconds,
    }


def estimate_of(meta: dict[str, Any], arrays: dict[str, Array]) -> Estimate:
    """Put an estimate together; raise KeyError, TypeError or ValueError where parts are missing."""
    residual = arrays.get("noise/residual")
    chi = Susceptibility(
        observables=tuple(meta["observables"]),
        observable_units=tuple(meta["observable_units"]),
        nbeta=meta["nbeta"],
        **{name: arrays[name] for name in _MOMENTS},
        noise=Noise(
            arrays["noise/loadings"],
            arrays["noise/basis"],
            None if residual is None else Variances(residual),
        ),
        widening=arrays.get("widening"),
    )
    ids = np.arange(chi.chi.shape[1])
    units = UnitTable(
        meta["unit"],
        ids,
        arrays["size"],
        _fields(arrays),
        arrays.get("row"),
        meta["filtered"],
        _tokens(arrays),
    )
    traces = tuple(
        ChainTrace(name, chain, seed, arrays[f"trace/{i}/loss"], arrays[f"trace/{i}/observables"])
        for i, (name, chain, seed) in enumerate(meta["traces"])
    )
    diagnostics = tuple(
        _diagnostics(item, dict(zip(_FIGURES, row.tolist(), strict=True)))
        for item, row in zip(meta["diagnostics"], arrays["figures"], strict=True)
    )
    spectra = tuple(_spectrum(item) for item in meta.get("spectra", ()))
    digests, seconds = meta["digests"], meta["seconds"]
    return Estimate(chi, units, traces, diagnostics, digests, False, seconds, spectra)


def _spectrum(item: dict[str, Any]) -> Spectrum:
    return Spectrum(
        item["observable"],
        item["k"],
        tuple(item["singular_values"]),
        tuple(item["members"]),
        tuple(item["loadings"]),
        item["turn"],
    )


def _diagnostics(item: dict[str, Any], figures: dict[str, float]) -> PosteriorDiagnostics:
    return PosteriorDiagnostics(
        posterior=item["posterior"],
        **figures,
        split_half=tuple((name, float(value)) for name, value in item["split_half"]),
        verdict=item["verdict"],
        sound=item["sound"],
        reasons=tuple(item["reasons"]),
        figures=tuple((name, value) for name, value in item["figures"]),
    )
