"""The functions that every spec has without `use`, with their signatures.

A name may have several signatures (`python` makes data or an observable); the type wanted where
the call stands chooses. What the functions do is in `lowering`, one evaluator for each.
"""

from collections.abc import Mapping

from pattern_lang.semantics.signatures import Formal, Signature, needs, takes
from pattern_lang.semantics.types import (
    ARM,
    BOOL,
    COMPONENT,
    CONSTRAINT,
    DATA,
    INT,
    MODEL,
    OPTIMIZER,
    PREDICATE,
    REAL,
    ROW_NUMBER,
    ROW_VALUE,
    SAMPLER,
    SCHEDULE,
    STRING,
    TARGET,
    UNIT,
    ListType,
    NumberType,
    ObservableType,
    Type,
)
from pattern_lang.semantics.units import UNIT_NAMES, Unit
from pattern_lang.semantics.weight_atoms import OBSERVABLE, WEIGHT_ATOMS

FAMILY = ObservableType(None, family=1)
STEPS = NumberType(Unit.STEPS)


def _observable(unit: Unit) -> Type:
    return ObservableType(unit)


def _same_observable(arguments: Mapping[str, Type]) -> Type:
    return arguments["o"]


def _user_observable(arguments: Mapping[str, Type]) -> Type:
    return ObservableType(Unit.ONE)


MODELS = (
    Signature(
        "torch",
        (
            needs("builder", STRING),
            takes("weights", STRING),
            takes("loss", STRING),
        ),
        MODEL,
        extra=True,
        doc="A torch module from a function, with weights loaded into it.",
    ),
    Signature(
        "hf",
        (needs("directory", STRING), takes("loss", STRING)),
        MODEL,
        doc="A Hugging Face causal language model from a directory.",
    ),
)

DATA_SOURCES = (
    Signature(
        "jsonl",
        (
            needs("file", STRING),
            takes("field", STRING),
            takes("tokenizer", STRING),
            takes("context", INT),
        ),
        DATA,
        doc="Rows from a file with one JSON object a line.",
    ),
    Signature(
        "parquet",
        (
            needs("file", STRING),
            takes("field", STRING),
            takes("tokenizer", STRING),
            takes("context", INT),
        ),
        DATA,
        doc="Rows from a Parquet file.",
    ),
    Signature(
        "hf_dataset",
        (
            needs("file", STRING),
            takes("split", STRING),
            takes("field", STRING),
            takes("tokenizer", STRING),
            takes("context", INT),
        ),
        DATA,
        doc="Rows of a Hugging Face data set on disk.",
    ),
    Signature(
        "tokens",
        (needs("file", STRING), takes("context", INT), takes("dtype", STRING)),
        DATA,
        doc="A flat memory map of token numbers, cut into rows of `context`.",
    ),
    Signature(
        "python",
        (needs("function", STRING),),
        DATA,
        extra=True,
        doc="Rows from a function that returns a sequence of mappings.",
    ),
)

OBSERVABLES = (
    Signature(
        "loss",
        (needs("m", MODEL), needs("on", DATA, named=True)),
        _observable(Unit.NATS),
        doc="Mean loss over the units of a data set.",
    ),
    Signature(
        "llc",
        (needs("m", MODEL), needs("on", DATA, named=True), takes("held", BOOL)),
        _observable(Unit.ONE),
        doc="Local learning coefficient, of the re-weighted problem or with the loss held.",
    ),
    Signature(
        "free_energy",
        (needs("m", MODEL), needs("on", DATA, named=True)),
        _observable(Unit.NATS),
        doc="Local free energy -log Z on the re-weighted data.",
    ),
    Signature(
        "restrict",
        (
            needs("o", OBSERVABLE),
            needs("to", COMPONENT, named=True),
            takes("posterior", STRING),
        ),
        _same_observable,
        doc="The observable under a posterior that moves one component only.",
    ),
    Signature(
        "pc",
        (needs("family", FAMILY), needs("k", INT), takes("toward", DATA)),
        _observable(Unit.SD),
        doc="The k-th principal direction of a family's standardised susceptibility matrix.",
    ),
    Signature(
        "python",
        (
            needs("function", STRING),
            takes("m", MODEL, named=False),
            takes("on", DATA),
            takes("unit", UNIT, STRING),
        ),
        _user_observable,
        extra=True,
        doc="A user's function of a module and a batch.",
    ),
    Signature(
        "component",
        (needs("m", MODEL), needs("glob", STRING)),
        COMPONENT,
        doc="All parameters whose names match a glob.",
    ),
)

_SGLD = (
    needs("step", REAL),
    needs("nbeta", REAL),
    needs("localization", REAL),
    needs("batch", INT),
    takes("chains", INT),
    takes("draws", INT),
    takes("burn_in", STEPS),
    takes("thin", STEPS),
    takes("seed", INT),
    takes("estimator", STRING),
)
SETTINGS = (
    Signature("sgld", _SGLD, SAMPLER, doc="Stochastic-gradient Langevin dynamics."),
    Signature(
        "rmsprop_sgld",
        (*_SGLD, takes("decay", REAL), takes("stabilizer", REAL)),
        SAMPLER,
        doc="SGLD with a step for each coordinate from the squared gradients.",
    ),
    Signature(
        "hmc",
        (
            needs("nbeta", REAL),
            needs("localization", REAL),
            takes("chains", INT),
            takes("draws", INT),
            takes("burn_in", STEPS),
            takes("seed", INT),
        ),
        SAMPLER,
        doc="Hamiltonian Monte Carlo, full batch, for small models.",
    ),
    Signature(
        "laplace",
        (needs("nbeta", REAL), needs("localization", REAL)),
        SAMPLER,
        doc="Closed form from the curvature.",
    ),
    Signature(
        "importance",
        (
            needs("nbeta", REAL),
            needs("localization", REAL),
            takes("chains", INT),
            takes("draws", INT),
            takes("seed", INT),
        ),
        SAMPLER,
        doc="Independent antithetic draws from a Gaussian, weighted to the posterior.",
    ),
    Signature("once", (), SCHEDULE, doc="The weights hold from the first step to the last."),
    Signature("ramp", (needs("steps", STEPS),), SCHEDULE, doc="From 1 to the weights."),
    Signature(
        "online",
        (needs("period", STEPS), takes("rounds", INT), takes("trust", NumberType(Unit.SD), REAL)),
        SCHEDULE,
        doc="Estimate and solve again every period, within a trust region.",
    ),
)


def _optimizer(name: str, *own: Formal) -> Signature:
    shared = (
        needs("lr", REAL, named=True),
        takes("weight_decay", REAL),
        *_TRAINING,
    )
    return Signature(name, (*shared, *own), OPTIMIZER, doc=f"torch's {name}.")


_TRAINING = (
    needs("steps", STEPS, named=True),
    needs("batch", INT, named=True),
    takes("warmup", STEPS),
    takes("decay", STRING),
    takes("clip", REAL),
    takes("start", STRING),
    takes("network", MODEL),
)
OPTIMIZERS = (
    _optimizer("adamw", takes("betas", ListType(REAL)), takes("eps", REAL)),
    _optimizer("adam", takes("betas", ListType(REAL)), takes("eps", REAL)),
    _optimizer("sgd", takes("momentum", REAL), takes("nesterov", BOOL)),
    Signature(
        "python",
        (needs("function", STRING), *_TRAINING),
        OPTIMIZER,
        extra=True,
        doc="An optimizer of your own: a function of a module that returns one of torch's.",
    ),
)

TARGET_NAMES = (
    *("weights", "index", "torch_sampler", "hf", "megatron", "levanter", "olmo_core", "mosaic"),
    *("ms_swift", "llama_factory", "nanotron", "torchtitan"),
)
TARGETS = tuple(
    Signature(name, (needs("path", STRING),), TARGET, extra=True, doc=f"Files for {name}.")
    for name in TARGET_NAMES
)

ARMS = (
    Signature(
        "shuffled",
        (needs("arm", ARM), takes("among", ROW_VALUE, ROW_NUMBER, PREDICATE)),
        ARM,
        doc="The same weights, permuted; with `among`, within units for which that is equal.",
    ),
    Signature(
        "random_direction",
        (needs("arm", ARM),),
        ARM,
        doc="Weights of the same size in a random direction.",
    ),
    Signature(
        "heuristic",
        (needs("row", ROW_VALUE, ROW_NUMBER, PREDICATE), needs("like", ARM, named=True)),
        ARM,
        doc="Weights from a row expression, matched in scale.",
    ),
    Signature(
        "sweep",
        (needs("arm", ARM), needs("dose", ListType(REAL), named=True)),
        ARM,
        doc="The pattern at several doses.",
    ),
)

RELIABLE = Signature(
    "reliable",
    (needs("at", REAL), takes("rest", STRING)),
    CONSTRAINT,
    doc="Follow only directions of the goals whose share of signal is large enough.",
)

_ALL = (
    *MODELS,
    *DATA_SOURCES,
    *OBSERVABLES,
    *WEIGHT_ATOMS,
    RELIABLE,
    *SETTINGS,
    *OPTIMIZERS,
    *TARGETS,
    *ARMS,
)


def core_functions() -> dict[str, tuple[Signature, ...]]:
    """Return every core function by name."""
    found: dict[str, tuple[Signature, ...]] = {}
    for signature in _ALL:
        found[signature.name] = (*found.get(signature.name, ()), signature)
    return found


MODEL_METHODS = {
    "at": Signature(
        "at", (needs("weights", STRING),), MODEL, doc="The same network at another checkpoint."
    )
}

UNITS = tuple(UNIT_NAMES)
