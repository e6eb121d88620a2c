"""One solver on one problem, in this process: `python solving.py TOOL FOLDER OUT.json`.

Times are those of the solver's own work: for others its setup and solve on matrices that are ready
(`build` is what making them takes), for pattern-lang the whole call on χ. Violations and objective
are worked out here, in the same way for all.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 1e-6
COLUMNS = 1 << 18


class Clock:
    """CPU time and wall time of a block."""

    def __enter__(self) -> "Clock":
        self.began = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu = time.process_time() - self.began[0]
        self.wall = time.perf_counter() - self.began[1]

    @property
    def figures(self) -> dict[str, float]:
        """Return both, in seconds."""
        return {"cpu": self.cpu, "wall": self.wall}


class Problem:
    """A problem in memory, or with χ left in its file."""

    def __init__(self, folder: Path, *, mapped: bool = False) -> None:
        self.known = json.loads((folder / "problem.json").read_text(encoding="utf-8"))
        self.m, self.n = self.known["m"], self.known["n"]
        self.path = folder / "chi.raw"
        self.chi: Any = np.memmap(self.path, np.float32, "r", shape=(self.m, self.n))
        if not mapped:
            self.chi = np.array(self.chi)
        self.codes = np.load(folder / "codes.npy") if self.known["groups"] else None
        self.low, self.high = np.array(self.known["rows"]).T

        self.building: Clock | None = None

    def matrix(self) -> tuple[Any, Any, Any]:
        """Return sparse rows over x, mass first, and their limits: `low <= A x <= high`."""
        with Clock() as self.building:
            return self._matrix()

    def _matrix(self) -> tuple[Any, Any, Any]:
        import scipy.sparse as sp

        rows = [sp.csr_array(np.ones((1, self.n))), sp.csr_array(self.chi.astype(np.float64))]
        low, high = [np.zeros(1), self.low], [np.zeros(1), self.high]
        if self.codes is not None:
            groups = self.known["groups"]
            count = np.bincount(self.codes, minlength=groups)
            where = (self.codes, np.arange(self.n))
            rows.append(sp.csr_array((1.0 / count[self.codes], where), shape=(groups, self.n)))
            low.append(np.full(groups, self.known["mass"][0] - 1.0))
            high.append(np.full(groups, self.known["mass"][1] - 1.0))
        return sp.csc_matrix(sp.vstack(rows)), np.concatenate(low), np.concatenate(high)

    @property
    def box(self) -> tuple[Any, Any]:
        """Return the bounds on x, (n,) each."""
        low, high = self.known["box"]
        return np.full(self.n, low - 1.0), np.full(self.n, high - 1.0)

    def judge(self, x: Any) -> dict[str, float]:
        """Return the relative error of the objective, and the largest violations.

        Those of rows are relative to `‖row‖ ‖x‖`, the size that a shift can have at all.
        """
        shift, square = np.zeros(self.m), np.zeros(self.m)
        for start in range(0, self.n, COLUMNS):
            block = np.asarray(self.chi[:, start : start + COLUMNS], dtype=np.float64)
            shift += block @ x[start : start + COLUMNS]
            square += np.einsum("ij,ij->i", block, block)
        off = np.maximum(self.low - shift, shift - self.high) / np.sqrt(square * (x @ x))
        found = {"rows": float(max(off.max(), 0.0)), "mass": abs(float(x.sum())) / self.n**0.5}
        low, high = self.known["box"]
        found["box"] = float(max((low - 1.0 - x).max(), (x - high + 1.0).max(), 0.0))
        if self.codes is not None:
            mean = np.bincount(self.codes, x) / np.bincount(self.codes)
            below, above = self.known["mass"]
            off_mass = max((below - 1.0 - mean).max(), (mean - above + 1.0).max(), 0.0)
            found["mass"] = max(found["mass"], float(off_mass))
        best = self.known["objective"]
        return found | {"objective": float(x @ x) / best - 1.0}


Timed = tuple[Any, dict[str, Any]]


def ours(problem: Problem) -> Timed:
    """pattern-lang, the first call of the process and a second one."""
    from pattern_lang.solve import Between, Bounds, Equal, Mass, Mean, WeightProgram

    rows: list[Any] = [
        Equal(i, float(low)) if low == high else Between(i, float(low), float(high))
        for i, (low, high) in enumerate(zip(problem.low, problem.high, strict=True))
    ]
    limits = [*rows, Bounds(*problem.known["box"]), Mean(1.0)]
    if problem.codes is not None:
        limits.append(Mass(problem.codes, *problem.known["mass"]))
    program = WeightProgram(problem.chi, limits)
    with Clock() as first:
        solution = program.solve(tol=TOLERANCE)
    if solution.weights is None:
        return None, {"status": solution.status, **first.figures}
    x = solution.weights - 1.0
    figures = {"status": solution.status, "passes": solution.passes, **first.figures}
    if first.wall < 60:
        del solution
        with Clock() as second:
            program.solve(tol=TOLERANCE)
        figures |= {"cpu_again": second.cpu, "wall_again": second.wall}
    return x, figures


def piqp(problem: Problem) -> Timed:
    """PIQP 0.7, sparse."""
    import piqp
    import scipy.sparse as sp

    matrix, low, high = problem.matrix()
    same = low == high
    below, above = problem.box
    rows = matrix.tocsr()
    equal, others = sp.csc_matrix(rows[same]), sp.csc_matrix(rows[~same])
    square = sp.csc_matrix(2.0 * sp.eye(problem.n, format="csc"))
    with Clock() as clock:
        solver = piqp.SparseSolver()
        solver.settings.eps_abs = solver.settings.eps_rel = TOLERANCE
        q = np.zeros(problem.n)
        solver.setup(square, q, equal, low[same], others, low[~same], high[~same], below, above)
        status = solver.solve()
    return np.array(solver.result.x), {"status": str(status).rpartition(".")[2], **clock.figures}


def osqp(problem: Problem) -> Timed:
    """OSQP 1.1."""
    import osqp
    import scipy.sparse as sp

    matrix, low, high = problem.matrix()
    below, above = problem.box
    eye = sp.eye(problem.n, format="csc")
    rows = sp.csc_matrix(sp.vstack([matrix, eye]))
    low, high = np.concatenate([low, below]), np.concatenate([high, above])
    square = sp.csc_matrix(2.0 * eye)
    with Clock() as clock:
        solver = osqp.OSQP()
        accuracy = {"eps_abs": TOLERANCE, "eps_rel": TOLERANCE, "max_iter": 100_000}
        solver.setup(square, np.zeros(problem.n), rows, low, high, verbose=False, **accuracy)
        found = solver.solve()
    return np.array(found.x), {"status": found.info.status, **clock.figures}


def highs(problem: Problem) -> Timed:
    """HiGHS 1.15 by its interior-point method for quadratic programs, HiPO."""
    import highspy

    matrix, low, high = problem.matrix()
    below, above = problem.box
    model = highspy.HighsModel()
    lp, n = model.lp_, problem.n
    lp.num_col_, lp.num_row_ = n, matrix.shape[0]
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = np.zeros(n), below, above
    lp.row_lower_, lp.row_upper_ = low, high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
    lp.a_matrix_.value_ = matrix.data
    model.hessian_.dim_, model.hessian_.format_ = n, highspy.HessianFormat.kTriangular
    model.hessian_.start_, model.hessian_.index_ = np.arange(n + 1), np.arange(n)
    model.hessian_.value_ = np.full(n, 2.0)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    assert solver.setOptionValue("solver", "hipo") == highspy.HighsStatus.kOk
    solver.setOptionValue("run_crossover", "off")
    for name in ("primal", "dual", "ipm_optimality", "kkt"):
        tolerance = {"ipm_optimality": name, "kkt": name}.get(name, f"{name}_feasibility")
        solver.setOptionValue(f"{tolerance}_tolerance", TOLERANCE)
    with Clock() as clock:
        solver.passModel(model)
        solver.run()
    status = solver.modelStatusToString(solver.getModelStatus())
    return np.array(solver.getSolution().col_value), {"status": status, **clock.figures}


def clarabel(problem: Problem) -> Timed:
    """Clarabel 0.11."""
    import clarabel
    import scipy.sparse as sp

    matrix, low, high = problem.matrix()
    below, above = problem.box
    same = low == high
    rows, eye = matrix.tocsr(), sp.eye(problem.n, format="csr")
    stacked = sp.csc_matrix(sp.vstack([rows[same], rows[~same], -rows[~same], eye, -eye]))
    right = np.concatenate([low[same], high[~same], -low[~same], above, -below])
    count = int(same.sum())
    cones = [clarabel.ZeroConeT(count), clarabel.NonnegativeConeT(right.size - count)]
    square = sp.csc_matrix(2.0 * sp.eye(problem.n, format="csc"))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = TOLERANCE
    with Clock() as clock:
        q = np.zeros(problem.n)
        found = clarabel.DefaultSolver(square, q, stacked, right, cones, settings).solve()
    return np.array(found.x), {"status": str(found.status), **clock.figures}


def cvxpy(problem: Problem) -> Timed:
    """Clarabel by way of cvxpy 1.9."""
    import cvxpy

    matrix, low, high = problem.matrix()
    below, above = problem.box
    same, rows = low == high, matrix.tocsr()
    with Clock() as clock:
        x = cvxpy.Variable(problem.n)
        limits = [rows[same] @ x == low[same], x >= below, x <= above]
        limits += [rows[~same] @ x >= low[~same], rows[~same] @ x <= high[~same]]
        program = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(x)), limits)
        accuracy = dict.fromkeys(("tol_feas", "tol_gap_abs", "tol_gap_rel"), TOLERANCE)
        program.solve(solver="CLARABEL", **accuracy)
    return np.asarray(x.value), {"status": program.status, **clock.figures}


TOOLS: dict[str, Callable[[Problem], Timed]] = {
    "pattern-lang": ours,
    "pattern-lang, file": ours,
    "PIQP": piqp,
    "OSQP": osqp,
    "HiGHS HiPO": highs,
    "Clarabel": clarabel,
    "cvxpy": cvxpy,
}


def reading(problem: Problem, *, mapped: bool) -> float:
    """Return the seconds that it takes to read χ once, at best: from memory, or from the file."""
    times, buffer = [], bytearray(1 << 22)
    for _ in range(2 if mapped else 5):
        start = time.perf_counter()
        if mapped:
            with problem.path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
        else:
            for row in problem.chi:
                np.bitwise_or.reduce(row.view(np.int32))
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Solve, judge and write what came out."""
    tool, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    mapped = tool.endswith(", file")
    problem = Problem(folder, mapped=mapped)
    x, figures = TOOLS[tool](problem)
    if problem.building is not None:
        figures["build"] = problem.building.cpu
    if x is not None:
        figures |= problem.judge(x)
    if tool.startswith("pattern-lang"):
        figures["read"] = reading(problem, mapped=mapped)
    out.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
