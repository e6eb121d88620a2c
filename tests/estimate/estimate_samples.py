"""Small specs for the estimator: user files in a folder, and the queries that name them."""

from pathlib import Path
from textwrap import dedent

import attrs

from pattern_lang.estimate import SilentReporter, estimate
from pattern_lang.ir.observables import Loss, Observable
from pattern_lang.ir.queries import PosteriorQuery, Queries, Reweight, Sampler
from pattern_lang.ir.sources import (
    Comparison,
    DataSource,
    FileRef,
    FunctionRef,
    ModelSource,
    RowField,
    RowLiteral,
)
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.semantics.units import Unit

POLYNOMIAL = """
    import torch
    from torch import nn

    class Polynomial(nn.Module):
        '''d independent scalars; a row is a polynomial in scalar r, or summed over all.'''

        def __init__(self, d):
            super().__init__()
            self.x = nn.Parameter(torch.zeros(d, dtype=torch.float64))

        def unit_loss(self, batch):
            x = self.x
            powers = torch.stack([x, x**2, x**3, x**4, x**6], dim=1)
            rows = powers[batch["r"]] if "r" in batch else powers.sum(0, keepdim=True)
            return (rows * batch["coef"]).sum(1)

    def build(d=1):
        return Polynomial(d)
"""


class World:
    """A folder with user files, and the IR that names them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    def file(self, text: str) -> FileRef:
        return FileRef(text, (str(self.folder / text),))

    def function(self, text: str) -> FunctionRef:
        file, _, name = text.partition(":")
        return FunctionRef(self.file(file), name)

    def model(
        self,
        builder: str = "model.py:build",
        name: str = "m",
        weights: str | None = None,
        loss: str | None = None,
        **arguments: object,
    ) -> ModelSource:
        return ModelSource(
            name,
            "torch",
            self.function(builder),
            None,
            self.file(weights) if weights else None,
            self.function(loss) if loss else None,
            tuple(arguments.items()),  # type: ignore[arg-type]
        )

    def data(
        self, function: str = "data.py:train", name: str = "d", **arguments: object
    ) -> DataSource:
        return DataSource(
            name,
            "python",
            self.function(function),
            arguments=tuple(arguments.items()),  # type: ignore[arg-type]
        )

    def rows(self, name: str, rows: list[dict[str, object]]) -> DataSource:
        """Return data of given rows, from a function of their own."""
        self.write(f"{name}.py", f"def rows():\n    return {rows!r}\n")
        return self.data(f"{name}.py:rows", name=name)


def only(data: DataSource, field: str, value: object, operator: str = "==") -> DataSource:
    """Return the rows of a data set with a value in a field."""
    predicate = Comparison(operator, RowField(field), RowLiteral(value))  # type: ignore[arg-type]
    return attrs.evolve(data, where=(*data.where, predicate))


def observable(
    name: str, *terms: object, constant: float = 0.0, unit: Unit = Unit.NATS
) -> Observable:
    """Return an observable; a term is a primitive or (coefficient, primitive)."""
    pairs = tuple(term if isinstance(term, tuple) else (1.0, term) for term in terms)
    return Observable(name, unit, pairs, constant)


def sgld(**settings: object) -> Sampler:
    """Return a sampler with defaults for tiny models."""
    base = {
        "kind": "sgld",
        "step": 0.01,
        "nbeta": 10.0,
        "localization": 1.0,
        "batch": 10**6,
        "chains": 4,
        "draws": 100,
        "burn_in": 50,
    }
    return Sampler(**{**base, **settings})  # type: ignore[arg-type]


def ask(
    data: DataSource,
    observables: list[Observable],
    sampler: Sampler,
    unit: str = "sample",
    field: str | None = None,
) -> Queries:
    """Return the queries for observables on re-weighted data."""
    owners = (getattr(primitive, "model", None) for o in observables for _, primitive in o.terms)
    models = dict.fromkeys(owner for owner in owners if owner is not None)
    names = tuple(o.name for o in observables)
    posteriors = tuple(PosteriorQuery(model, None, names) for model in models)
    return Queries(Reweight(data, unit, field, "w"), sampler, tuple(observables), posteriors)


def run(world: World, queries: Queries, **options: object) -> Estimate:
    """Estimate quietly, in this process unless told otherwise."""
    options = {"workers": 1, **options}
    return estimate(queries, world.store, reporter=SilentReporter(), **options)  # type: ignore[arg-type]


CLASSIFIER = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.inner = nn.Linear(3, width)
            self.drop = nn.Dropout(0.5)
            self.outer = nn.Linear(width, 2)

        def unit_loss(self, batch):
            scores = self.outer(self.drop(torch.tanh(self.inner(batch["x"]))))
            return nn.functional.cross_entropy(scores, batch["y"], reduction="none")

    def build(width=4):
        return Net(width)
"""

ROWS = """
    import random

    def rows(seed, count):
        random.seed(seed)
        found = []
        for i in range(count):
            x = [random.gauss(0, 1) for _ in range(3)]
            found.append({
                "x": x,
                "y": int(x[0] + 0.3 * x[1] > 0),
                "kind": "even" if i % 2 == 0 else "odd",
                "level": i / count,
                "good": i % 3 == 0,
            })
        return found

    def train(seed=0, count=24):
        return rows(seed, count)

    def probe():
        return rows(1, 10)
"""


def classifier(world: World, **settings: object) -> Queries:
    """Write a small classifier with its data, and ask for its loss on two probes."""
    world.write("model.py", CLASSIFIER)
    world.write("data.py", ROWS)
    model, train, probe = (
        world.model(),
        world.data(name="train"),
        world.data("data.py:probe", "probe"),
    )
    observables = [
        observable("even", Loss(model, only(probe, "kind", "even"))),
        observable("gap", Loss(model, probe), (-1.0, Loss(model, only(train, "kind", "odd")))),
    ]
    base = {"step": 1e-3, "nbeta": 50.0, "localization": 20.0, "batch": 8, "draws": 40}
    return ask(train, observables, sgld(**{**base, **settings}))
