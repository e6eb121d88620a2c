"""`susceptibility.safetensors`: χ with its noise, moments, and a header that says the sign."""

import json
import struct
from typing import Any

import numpy as np

from pattern_lang.emit.canonical import compact_json
from pattern_lang.ir.susceptibility import Susceptibility, UnitTable

SUSCEPTIBILITY_SCHEMA = "pattern-lang/susceptibility/1"
SIGN = (
    "chi_j = -Cov[phi, l_j - L]; positive: more weight on unit j raises the observable; "
    "a change of weights s = w - 1 shifts it by (nbeta / n) * chi @ s"
)


def susceptibility_bytes(
    susceptibility: Susceptibility,
    units: UnitTable,
    provenance: dict[str, str],
    estimators: tuple[str, ...] = (),
) -> bytes:
    """Return the safetensors file of an estimate; equal input gives equal bytes.

    `estimators` says of each row how it was estimated, in the words of `queries.json`.
    """
    from safetensors.numpy import save

    tensors: dict[str, np.ndarray[Any, Any]] = {
        "chi": np.ascontiguousarray(susceptibility.chi, np.float32),
        "chi_stderr": np.ascontiguousarray(susceptibility.stderr, np.float32),
        "mean": np.ascontiguousarray(susceptibility.mean, np.float64),
        "sd": np.ascontiguousarray(susceptibility.sd, np.float64),
        "unit_id": np.ascontiguousarray(units.unit_id, np.int64),
    }
    if units.unit == "token":
        for name in ("sample_id", "position"):
            tensors[name] = np.ascontiguousarray(units.fields[name], np.int64)
    if susceptibility.mean_stderr is not None:
        tensors["mean_stderr"] = np.ascontiguousarray(susceptibility.mean_stderr, np.float64)
    metadata = {
        **provenance,
        "schema": SUSCEPTIBILITY_SCHEMA,
        "observables": compact_json(susceptibility.observables),
        "observable_units": compact_json(susceptibility.observable_units),
        "nbeta": repr(float(susceptibility.nbeta)),
        "unit": units.unit,
        "sign": SIGN,
        **({"estimators": compact_json(estimators)} if estimators else {}),
    }
    return _with_sorted_header(save(tensors, metadata=metadata))


def _with_sorted_header(content: bytes) -> bytes:
    """Sort the header: safetensors writes its metadata in an order that differs between runs."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    text = json.dumps(header, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]
