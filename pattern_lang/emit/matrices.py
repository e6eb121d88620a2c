"""`susceptibility.safetensors`: χ with its noise, moments, and a header that says the sign.

It is written by stretches of units: standard errors of all entries would be as large as χ, and the
file is twice that.
"""

import json
import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pattern_lang.emit.canonical import compact_json
from pattern_lang.emit.content import Spooled
from pattern_lang.ir.susceptibility import Susceptibility, UnitTable

SUSCEPTIBILITY_SCHEMA = "pattern-lang/susceptibility/1"
SIGN = (
    "chi_j = -Cov[phi, l_j - L]; positive: more weight on unit j raises the observable; "
    "a change of weights s = w - 1 shifts it by (nbeta / n) * chi @ s"
)
# In the order in which they come: wider types first.
_DTYPES: "dict[str, np.dtype[Any]]" = {
    "I64": np.dtype(np.int64),
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
}


def susceptibility_content(
    susceptibility: Susceptibility,
    units: UnitTable,
    provenance: dict[str, str],
    estimators: tuple[str, ...] = (),
) -> Spooled:
    """Return the safetensors file of an estimate; equal input gives equal bytes.

    `estimators` says of each row how it was estimated, in the words of `queries.json`.
    """
    tensors: dict[str, tuple[str, NDArray[Any] | None]] = {
        "chi": ("F32", susceptibility.chi),
        "chi_stderr": ("F32", None),
        "mean": ("F64", susceptibility.mean),
        "sd": ("F64", susceptibility.sd),
        "unit_id": ("I64", units.unit_id),
    }
    if units.unit == "token":
        tensors |= {name: ("I64", units.fields[name]) for name in ("sample_id", "position")}
    if susceptibility.mean_stderr is not None:
        tensors["mean_stderr"] = ("F64", susceptibility.mean_stderr)
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
    header: dict[str, Any] = {"__metadata__": metadata}
    place = 0
    for name in sorted(tensors, key=lambda name: (list(_DTYPES).index(tensors[name][0]), name)):
        kind, array = tensors[name]
        shape = list((susceptibility.chi if array is None else array).shape)
        end = place + math.prod(shape) * _DTYPES[kind].itemsize
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [place, end]}
        place = end
    text = json.dumps(header, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    found = Spooled(start + place)
    found.put(0, struct.pack("<Q", len(text)) + text)
    for name, (kind, array) in tensors.items():
        first = start + header[name]["data_offsets"][0]
        if array is None:
            _put_errors(found, first, susceptibility)
        else:
            found.put(first, _raw(array, _DTYPES[kind]))
    return found


def _put_errors(into: Spooled, first: int, susceptibility: Susceptibility) -> None:
    n = susceptibility.chi.shape[1]
    for units, errors in susceptibility.noise.entries_by_units():
        for row, own in enumerate(errors):
            into.put(first + 4 * (row * n + units.start), _raw(own, _DTYPES["F32"]))


def _raw(array: NDArray[Any], dtype: "np.dtype[Any]") -> memoryview:
    return np.ascontiguousarray(array, dtype).reshape(-1).view(np.uint8).data
