"""A writer of well-formed specs: every rule of the grammar, with names that mostly fit.

`chaos` is the share of places where something of another kind than the right one is written. At
zero every spec is right, so it has to check without errors.
"""

from collections.abc import Callable
from random import Random

from attrs import define, field

DOC = "## What this is for.\n"


@define
class Writer:
    """Writes one spec; what it has declared so far is there to be used."""

    random: Random
    chaos: float = 0.0
    declared: dict[str, list[str]] = field(factory=dict)
    weights: str | None = None
    count: int = 0

    # ---- choices --------------------------------------------------------------------------------

    def some(self, *options: str) -> str:
        return self.random.choice(options)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def times(self, low: int, high: int) -> range:
        return range(self.random.randint(low, high))

    def new(self, kind: str) -> str:
        self.count += 1
        stem = self.some("a", "head", "größe", "数", "x_1", "train", "loss", "token")
        name = f"{stem}_{self.count}"
        self.declared.setdefault(kind, []).append(name)
        return name

    def known(self, kind: str, otherwise: Callable[[], str]) -> str:
        names = self.declared.get(kind, [])
        return self.some(*names) if names and self.chance(0.7) else otherwise()

    # ---- expressions, by what they are ----------------------------------------------------------

    def expression(self, kind: str, depth: int = 0) -> str:
        if self.chance(self.chaos):
            return f"({getattr(self, self.some(*_KINDS))(depth + 1)})"
        return str(getattr(self, kind)(depth + 1))

    def literal(self) -> str:
        return self.some("0", "1", "2.5", "0.125", "1e-3", "3E2", "40", "7")

    def real(self, depth: int) -> str:
        if depth > 3 or self.chance(0.5):
            return self.known("real", self.literal)
        inner = depth + 1
        return self.some(
            f"{self.expression('real', inner)} + {self.expression('real', inner)} - 0.5",
            f"({self.expression('real', inner)}) * 2 / 4",
            f"-{self.literal()}",
            f"+-{self.literal()} * {self.literal()}",
            f"{self.literal()} ^ 2",
            "1 sd / 2 sd",
            "50 %",
        )

    def integer(self, depth: int) -> str:
        return self.some("0", "1", "2", "3 - 1", "2 * 2")

    def amount(self, depth: int) -> str:
        if depth > 3 or self.chance(0.5):
            return self.known("amount", lambda: f"{self.literal()} sd")
        return f"({self.expression('real', depth)}) * {self.expression('amount', depth)}"

    def steps(self, depth: int) -> str:
        return self.some("100 steps", "7 steps", "5")

    def text(self, depth: int) -> str:
        return self.some('"a b.py"', r'"\"q\" \\ \n \t \u{1f600}"', '""', '"数据"')

    def reference(self, depth: int) -> str:
        return self.some('"model.py:build"', '"lib/x.py:f_1"')

    def truth(self, depth: int) -> str:
        return self.some("true", "false", "not true", "1 < 2", "1 <= 2 <= 3", "true and false")

    def model(self, depth: int) -> str:
        made = f"torch({self.reference(depth)}, weights: {self.text(depth)}, width: 3,)"
        return self.known("model", lambda: self.some(made, 'hf("directory")'))

    def data(self, depth: int) -> str:
        if depth < 3 and self.chance(0.3):
            return f"({self.expression('data', depth)} where {self.expression('predicate', depth)})"
        made = (
            'jsonl("x.jsonl", field: "text", context: 64)',
            'tokens("x.bin")',
            'python("data.py:rows")',
        )
        return self.known("data", lambda: self.some(*made))

    def field(self, depth: int) -> str:
        return self.some("row.x", "row.domain", "row.data", "row. y", "row.x + 1", "-row.x * 2")

    def group(self, depth: int) -> str:
        return self.some("row.domain", "row.x")

    def predicate(self, depth: int) -> str:
        if depth > 3 or self.chance(0.4):
            return self.some(
                f"{self.field(depth)} >= {self.literal()}",
                'row.domain == "web"',
                'row.domain in ["web", "code"]',
                "0 <= row.x < 3",
                "row.flag",
            )
        inner = depth + 1
        return self.some(
            f"{self.predicate(inner)} and {self.predicate(inner)}",
            f"{self.predicate(inner)} or {self.predicate(inner)}",
            f"not ({self.predicate(inner)})",
        )

    def observable(self, depth: int) -> str:
        return self.known("observable", lambda: self.made_observable(depth))

    def made_observable(self, depth: int) -> str:
        m, d = self.expression("model", depth), self.expression("data", depth)
        if depth > 3 or self.chance(0.5):
            return self.some(f"loss({m}, on: {d})", f"loss(on: {d}, m: {m})")
        inner = self.made_observable(depth + 1)
        return self.some(
            f"{inner} - {self.literal()} * {self.made_observable(depth + 1)}",
            f'restrict({inner}, to: component({m}, "blocks.*"))',
            f"({inner}) / 2 + 1 nats",
            f"python({self.reference(depth)}, {m}, on: {d}, unit: bits, k: [1, 2])",
        )

    def vector(self, depth: int) -> str:
        w = self.weights or "w"
        return self.some(w, f"{w} - 1", f"2 * {w} - 1", f"({w} + 1) / 2", f"-{w}")

    def atom(self, depth: int) -> str:
        names = ("norm", "l1", "sum_squares")
        return self.some(*(f"{name}({self.vector(depth)})" for name in names))

    def objective(self, depth: int) -> str:
        w = self.weights or "w"
        return self.some(
            f"{self.atom(depth)} + 2 * chi2({w})",
            f"risk({self.expression('observable', depth)})",
            self.atom(depth),
        )

    def constraint(self, depth: int) -> str:
        w = self.weights or "w"
        observable = self.expression("observable", depth)
        return self.some(
            f"0 <= {w} <= 4",
            f"mean({w}) == 1",
            f"0.5 <= mass({w}, across: {self.group(depth)}) <= 2",
            f"mass({w}, of: {self.expression('predicate', depth)}) <= 3",
            f"ess({w}) >= 50 %",
            f"max({w}) <= 4",
            f"min({w}) >= 0.1",
            f"kl({w}) <= 1 nats",
            f"{self.atom(depth)} <= 40",
            f"predicted({observable}) <= {self.expression('amount', depth)}",
            f"2 * risk({observable}) <= 1 sd",
        )

    def sampler(self, depth: int) -> str:
        return self.some(
            "sgld(step: 1e-3, nbeta: 30, localization: 300, batch: 64, draws: 20, thin: 2 steps)",
            "rmsprop_sgld(1e-3, 30, 300, 64, decay: 0.9)",
            "hmc(nbeta: 30, localization: 1)",
            "laplace(30, 1)",
            "importance(30, 1, draws: 40)",
        )

    def schedule(self, depth: int) -> str:
        return self.some("once()", "ramp(100 steps)", "online(period: 10, rounds: 2, trust: 1 sd)")

    def target(self, depth: int) -> str:
        return self.some('weights("w.parquet")', 'megatron("b.txt", buckets: 16)')

    def choice(self, depth: int) -> str:
        return f"[{', '.join(self.expression('real', depth) for _ in self.times(0, 3))}]"

    # ---- statements -----------------------------------------------------------------------------

    def goal(self) -> str:
        observable = self.expression("observable")
        return self.some(
            f"shift {observable} by {self.expression('amount')}",
            f"hold {observable} within 0.5 sd",
            f"lower {observable} by {self.literal()} sd",
            f"move [{observable}] along [1] by {self.expression('amount')}",
            f"require {self.expression('constraint')}",
            f"emit {self.expression('target')}",
        )

    def body(self) -> str:
        self.weights = self.some("w", "ω", "weight")
        unit = self.some("token", "sample", "group row.domain")
        found = [f"reweight {self.expression('data')} per {unit} as {self.weights}"]
        found.append(f"raise {self.made_observable(2)} by 1 sd")
        found += [self.goal() for _ in self.times(0, 4)]
        single = {
            **dict([self.best()]),
            "estimate": self.expression("sampler"),
            "schedule": self.expression("schedule"),
        }
        found += [f"{word} {value}" for word, value in single.items() if self.chance(0.4)]
        if rules := self.declared.get("rules"):
            found.append(f"apply {self.some(*rules)}({self.weights}, most: 5)")
        self.weights = None
        return self.joined(found)

    def best(self) -> tuple[str, str]:
        """What a pattern makes small or large, and the word for it."""
        if self.chance(0.7):
            return "minimize", self.objective(1)
        concave = f"min({self.weights}) - {self.atom(1)}"
        return "maximize", self.some(f"ess({self.weights})", concave)

    def joined(self, statements: list[str]) -> str:
        gap = self.some("\n  ", "\n\n\t", " ", "  # a note\n  ", "\r\n  ")
        return "{" + gap + gap.join(statements) + self.some("\n", " ") + "}"

    # ---- declarations ---------------------------------------------------------------------------

    def declaration(self) -> str:
        made = self.random.choice(
            (
                self.param,
                self.binding,
                self.binding,
                self.measured,
                self.family,
                self.function,
                self.rules,
                self.pattern,
                self.pattern,
                self.instances,
                self.study,
            )
        )()
        return (DOC if self.chance(0.2) else "") + made

    def param(self) -> str:
        if self.chance(0.5):
            value = self.expression("amount")
            return f"param {self.new('amount')}: Quantity[sd] = {value}"
        kind, value = self.random.choice(
            (
                ("Real", self.expression("real")),
                ("List[Real]", self.expression("choice")),
                ("String", self.text(1)),
                ("Bool", self.truth(1)),
            )
        )
        return f"param {self.new('real' if kind == 'Real' else 'other')}: {kind} = {value}"

    def binding(self) -> str:
        kind = self.some("model", "data")
        value = self.expression(kind)
        return f"{kind} {self.new(kind)} = {value}"

    def measured(self) -> str:
        value = self.made_observable(0)
        return f"observable {self.new('observable')} = {value}"

    def family(self) -> str:
        value = self.made_observable(1)
        name = self.new("family")
        self.declared.setdefault("observable", []).extend((f"{name}[0, 1]", f"pc({name}, 2)"))
        return f"observable {name}[i in 0..2, j in 1..3] = {value}"

    def function(self) -> str:
        name = self.new("function")
        self.declared.setdefault("real", []).append(f"{name}(2, 3)")
        return f"def {name}(p: Real, q: Real = 1) -> Real = p + {self.literal()} * q"

    def rules(self) -> str:
        name = self.new("rules")
        self.weights = "v"
        statements = [f"require {self.expression('constraint')}", "require v <= most"]
        self.weights = None
        return f"rules {name}(v: Weights, most: Real) {self.joined(statements)}"

    def pattern(self) -> str:
        body = self.body()
        return f"pattern {self.new('pattern')} {body}"

    def instances(self) -> str:
        """A pattern with a parameter, and one with its argument."""
        self.count += 1
        name = f"open_{self.count}"
        data, observable = self.expression("data"), self.made_observable(2)
        body = f"{{ reweight {data} per token as w shift {observable} by s * 1 sd }}"
        return f"pattern {name}(s: Real) {body}\npattern {self.new('pattern')} = {name}(s: -2)"

    def study(self) -> str:
        arms = [f"shuffled({p})" for p in self.declared.get("pattern", [])]
        return (
            f"study {self.new('study')} {{ arms {', '.join(['base', *arms])} seeds 0..3 "
            f"using adamw(lr: 1e-3, steps: 10, batch: 2) "
            f"measure {self.expression('observable')} every 10 steps }}"
        )

    def spec(self) -> str:
        made = ["edition 2026", "use std.tokens { repeats }", "use std.transformer as tr"]
        made += [self.declaration() for _ in self.times(0, 8)]
        gap = self.some("\n", "\n\n", " \n# a comment\n", "\r\n")
        return gap.join(made) + self.some("", "\n", "\n# the end")


_KINDS = (
    *("real", "integer", "amount", "steps", "text", "reference", "truth", "model", "data"),
    *("field", "group", "predicate", "observable", "vector", "atom", "objective", "constraint"),
    *("sampler", "schedule", "target", "choice"),
)


def write(seed: int, chaos: float = 0.0) -> str:
    """Return a spec, the same one for the same seed."""
    return Writer(Random(seed), chaos).spec()
