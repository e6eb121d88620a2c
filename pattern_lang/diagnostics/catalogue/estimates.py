"""PAT4041-PAT4056, PAT4095: samplers that cannot be used, chains that fail, verdicts on them."""

from pattern_lang.diagnostics.model import Problem, problem


@problem
class NotAvailable(Problem):
    """Something of the language that this version cannot estimate yet."""

    code = "PAT4041"
    title = "not available in this version"
    message = "{what} cannot be estimated by this version"
    label = "not available"
    help = "{advice}"

    what: str
    advice: str


@problem
class FreeEnergyElsewhere(Problem):
    """A free energy on other data than those that are re-weighted."""

    code = "PAT4042"
    title = "free energy on other data"
    message = (
        "`{observable}` asks for the free energy on `{data}`, and `{reweighted}` is re-weighted"
    )
    label = "not the re-weighted data"
    help = "the free energy belongs to the posterior: write `on: {reweighted}`"

    observable: str
    data: str
    reweighted: str


@problem
class WrongSetting(Problem):
    """A sampler setting out of its range."""

    code = "PAT4043"
    title = "wrong sampler setting"
    message = "`{setting}: {value}` is out of range: {rule}"
    label = "out of range"
    help = "{advice}"

    setting: str
    value: str
    rule: str
    advice: str


@problem
class NoClosedForm(Problem):
    """An observable whose response the closed form leaves out or cannot differentiate."""

    code = "PAT4044"
    title = "no closed form"
    message = "`laplace` has no closed form for {what} in `{observable}`"
    label = "needs a sampler"
    help = "sample it with `hmc(…)`, `importance(…)` or `sgld(…)`, or aim at a loss on probe data"

    what: str
    observable: str


@problem
class NoDerivative(Problem):
    """A user's own observable whose response is to be a pathwise derivative."""

    code = "PAT4075"
    title = "no pathwise derivative"
    message = (
        "`{observable}` is a function of your own, and a pathwise derivative needs the gradient of "
        "a loss"
    )
    label = "has no gradient"
    help = 'write `estimator: "covariance"` in the `estimate` statement'

    observable: str


@problem
class SingularCurvature(Problem):
    """A posterior that neither curvature nor localisation holds in some directions."""

    code = "PAT4045"
    title = "the curvature is singular"
    message = (
        "{flat} of {parameters} directions have neither curvature nor localization to hold the "
        "Gaussian of `{sampler}`"
    )
    label = "no Gaussian"
    help = "write `localization: 1` or more, or sample with `hmc(…)`"
    exit_status = 4

    flat: int
    parameters: int
    sampler: str


@problem
class Diverged(Problem):
    """A chain that left for infinity."""

    code = "PAT4051"
    title = "the chains diverged"
    message = "chain {chain} of model `{model}` diverged at step {step}: {symptom}"
    label = "diverged"
    help = "{advice}"
    exit_status = 4

    model: str
    chain: int
    step: int
    symptom: str
    advice: str


@problem
class UnsoundEstimate(Problem):
    """Chains that finished, but whose figures cannot be trusted."""

    code = "PAT4052"
    title = "the estimate is unsound"
    message = "the posterior of model `{model}` was not sampled well: {first}"
    label = "unsound"
    help = "{advice}"
    exit_status = 4

    model: str
    first: str
    advice: str
    others: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """List the other reasons."""
        return self.others


@problem
class ChainProcessFailed(Problem):
    """A process that sampled chains and ended without a result."""

    code = "PAT4053"
    title = "a sampling process failed"
    message = "the process that samples chains {chains} ended early ({reason})"
    label = "sampled here"
    help = "if memory ran out, use fewer processes or a smaller batch"

    chains: str
    reason: str


@problem
class WrongRank(Problem):
    """Variables of a launcher that do not say which of how many processes this is."""

    code = "PAT4054"
    title = "the launcher's rank makes no sense"
    message = "`{variable}` is `{value}` in the environment: {reason}"
    label = "wrong"
    help = "start it with `torchrun` or `srun`, or unset `{variable}`"

    variable: str
    value: str
    reason: str


@problem
class NothingToSweep(Problem):
    """A calibration of a sampler whose settings are not swept."""

    code = "PAT4095"
    title = "nothing to calibrate"
    message = "`pat calibrate` has no settings of `{sampler}` to sweep over: it {why}"
    label = "nothing to sweep"
    help = "calibrate `sgld(…)` or `rmsprop_sgld(…)`, or leave the `estimate` statement out"

    sampler: str
    why: str


@problem
class NothingSound(Problem):
    """A calibration in which no setting was sound for every posterior."""

    code = "PAT4056"
    title = "no sound sampler settings"
    message = "no sampler settings are sound, of {tried} that were tried; {nearest}"
    label = "no settings for this pattern"
    help = "{advice}"
    exit_status = 4

    tried: int
    nearest: str
    advice: str
