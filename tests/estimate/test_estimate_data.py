"""Reading rows, keeping some, numbering units."""

import json

import attrs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from estimate_samples import CLASSIFIER, ROWS, World, ask, classifier, observable, only, run, sgld

from pattern_lang.estimate import plan_cost
from pattern_lang.estimate.columns import stack
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.predicates import kept
from pattern_lang.estimate.readers import read_table
from pattern_lang.estimate.table import Table
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.observables import Loss
from pattern_lang.ir.sources import (
    Both,
    Comparison,
    DataSource,
    Either,
    Not,
    Predicate,
    RowArithmetic,
    RowField,
    RowLiteral,
    Truth,
)

ROW_LIST = [
    {"x": [1.0, 2.0], "n": 1, "t": "a", "b": True, "f": 0.5, "skip": {"deep": 1}},
    {"x": [3.0, 4.0], "n": 2, "t": "bb", "b": False, "f": 1, "skip": {}},
]


def test_columns_by_kind() -> None:
    table = stack("d", ROW_LIST, None)
    kinds = {name: (c.dtype.str, c.shape) for name, c in table.numbers.items()}
    assert kinds == {
        "x": ("<f8", (2, 2)),
        "n": ("<i8", (2,)),
        "b": ("|b1", (2,)),
        "f": ("<f8", (2,)),
    }
    assert table.texts["t"].tolist() == ["a", "bb"]
    assert list(table.scalars) == ["b", "f", "n", "t"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.ones(3, np.float32), "float32"),
        (np.ones(3, np.float64), "float64"),
        (np.ones(3, np.uint8), "int64"),
        (np.float16(1), "float32"),
        (np.int32(1), "int64"),
        (np.bool_(True), "bool"),
        (torch.ones(2, 2), "float32"),
        (torch.ones(2, dtype=torch.bfloat16), "float32"),
        (torch.tensor(3), "int64"),
        (torch.ones(2, requires_grad=True), "float32"),
        ((1, 2.5), "float64"),
        ([[1, 2], [3, 4]], "int64"),
    ],
)
def test_kinds_of_values(value: object, kind: str) -> None:
    table = stack("d", [{"v": value}, {"v": value}], None)
    assert table.numbers["v"].dtype == kind
    assert table.numbers["v"].shape == (2, *np.shape(torch.as_tensor(value).float()))


def read(world: World, source: DataSource) -> Table:
    return read_table(source, UserCode(Journal()))


def test_readers_agree(world: World) -> None:
    rows = [{k: v for k, v in row.items() if k != "skip"} for row in ROW_LIST]
    (world.folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    pq.write_table(pa.Table.from_pylist(rows), world.folder / "d.parquet")
    found = [
        read(world, world.rows("rows", rows)),
        read(world, DataSource("d", "jsonl", file=world.file("d.jsonl"))),
        read(world, DataSource("d", "parquet", file=world.file("d.parquet"))),
    ]
    for table in found[1:]:
        assert table.numbers.keys() == found[0].numbers.keys()
        for name, column in found[0].numbers.items():
            assert np.array_equal(table.numbers[name], column)
            assert table.numbers[name].dtype == column.dtype
        assert table.texts["t"].tolist() == ["a", "bb"]


def test_a_sequence_of_its_own(world: World) -> None:
    world.write(
        "data.py",
        """
        class Lazy:
            def __len__(self):
                return 3
            def __getitem__(self, i):
                if i >= 3:
                    raise IndexError
                return {"i": i}
        def train():
            return Lazy()
        """,
    )
    assert read(world, world.data()).numbers["i"].tolist() == [0, 1, 2]


FIELDS = RowField("n"), RowField("t"), RowField("f"), RowField("b")
N, T, F, B = FIELDS


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (Comparison("<", N, RowLiteral(3)), [0, 1, 2]),
        (Comparison(">=", N, RowLiteral(3)), [3, 4]),
        (Comparison("==", T, RowLiteral("x")), [0, 2, 4]),
        (Comparison("!=", T, RowLiteral("x")), [1, 3]),
        (Comparison("==", RowLiteral("x"), T), [0, 2, 4]),
        (Comparison("<", F, N), [0, 1, 2, 3, 4]),
        (Comparison("==", RowArithmetic("^", N, RowLiteral(2)), RowLiteral(9)), [3]),
        (Comparison("<", RowArithmetic("/", RowLiteral(1), N), RowLiteral(0.5)), [3, 4]),
        (Comparison("==", B, RowLiteral(True)), [0, 3]),
        (Truth(B), [0, 3]),
        (Not(Truth(B)), [1, 2, 4]),
        (Both(Truth(B), Comparison(">", N, RowLiteral(0))), [3]),
        (Either(Truth(B), Comparison("==", N, RowLiteral(1))), [0, 1, 3]),
    ],
)
def test_predicates(predicate: Predicate, expected: list[int]) -> None:
    rows = [{"n": i, "t": "xy"[i % 2], "f": i / 10 - 1, "b": i % 3 == 0} for i in range(5)]
    source = DataSource("d", "python", where=(predicate,))
    assert kept(stack("d", rows, None), source).rows.tolist() == expected


def test_units_of_filtered_samples(world: World) -> None:
    queries = classifier(world)
    data = only(queries.reweight.data, "kind", "odd")
    queries = ask(data, [observable("l", Loss(world.model(), data))], queries.sampler)
    units = run(world, queries).units
    assert units.unit == "sample"
    assert units.filtered
    assert units.unit_id.tolist() == list(range(12))
    assert units.row is not None
    assert units.row.tolist() == list(range(1, 24, 2))
    assert units.size.tolist() == [1.0] * 12
    assert set(units.fields) == {"y", "kind", "level", "good"}
    assert set(units.fields["kind"].tolist()) == {"odd"}
    assert units.fields["good"].dtype == bool


def test_units_of_groups(world: World) -> None:
    queries = classifier(world)
    reweight = attrs.evolve(queries.reweight, unit="group", group_field="y")
    estimate = run(world, attrs.evolve(queries, reweight=reweight))
    units = estimate.units
    assert units.unit == "group"
    assert units.row is None
    assert not units.filtered
    assert units.size.sum() == 24
    assert list(units.fields) == ["y"]
    assert estimate.susceptibility.chi.shape == (2, 2)


def test_each_row_is_evaluated_once(world: World) -> None:
    """Overlapping data sets share their rows: 24 + 10, however many observables there are."""
    world.write("data.py", ROWS)
    world.write("model.py", CLASSIFIER)
    train, probe = world.data(name="train"), world.data("data.py:probe", "probe")
    model = world.model()
    observables = [
        observable("a", Loss(model, probe)),
        observable("b", Loss(model, only(probe, "kind", "even"))),
        observable("c", Loss(model, only(probe, "kind", "odd"))),
        observable("d", Loss(model, only(train, "good", True))),
        observable("e", Loss(model, train)),
    ]
    reweighted = only(train, "level", 0.5, "<")
    estimate = run(world, ask(reweighted, observables, sgld(step=1e-3, draws=20)))
    means = estimate.susceptibility.mean
    assert means[0] == pytest.approx((means[1] + means[2]) / 2)
    chi = estimate.susceptibility.chi
    assert chi[0] == pytest.approx((chi[1] + chi[2]) / 2, abs=1e-6)
    assert estimate.traces[0].observables.shape == (20, 5)
    over_chains = np.mean([trace.observables.mean(axis=0) for trace in estimate.traces], axis=0)
    assert over_chains == pytest.approx(means)
    rows = plan_cost(ask(reweighted, observables, sgld(step=1e-3, draws=20))).losses
    assert rows == 24 + 10


def test_no_observables_at_all(world: World) -> None:
    """A pattern may constrain its weights alone: the units are still read."""
    queries = classifier(world)
    empty = attrs.evolve(queries, observables=(), posteriors=())
    estimate = run(world, empty)
    assert estimate.susceptibility.chi.shape == (0, 24)
    assert len(estimate.units.unit_id) == 24
    assert not run(world, empty).sampled
