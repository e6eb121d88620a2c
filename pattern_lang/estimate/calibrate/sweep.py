"""The search: the step from the curvature, then localisation, then nβ, by chains cut short.

Settings are tried from the most to the least localised, for the largest nβ that makes sense. What
fails is dropped after a few relaxation times; what would make a whole run too long is not tried.
The winner is what leaves the loss most to say (the smallest γ/nβ, at the largest nβ) among what is
sound and affordable, and its chains alone are prolonged.
"""

from collections.abc import Sequence
from math import inf, isfinite

from attrs import define, evolve, field

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.estimates import NothingSound
from pattern_lang.estimate.available import round_down
from pattern_lang.estimate.calibrate import plan
from pattern_lang.estimate.calibrate.judge import judge
from pattern_lang.estimate.calibrate.pilot import CHAINS, Pilot, View
from pattern_lang.estimate.calibrate.terrain import Terrain, is_flat, survey
from pattern_lang.estimate.reporter import Reporter
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.calibration import PosteriorTrial, Trial
from pattern_lang.ir.queries import Queries, Sampler

_STIFFNESS = 0.4  # widens the sharpest direction's variance by 11 %
_MINIBATCH = 0.1
_SOFTER = (3, 10, 30, 100, 300)
"""nβ times the sharpest curvature over γ: how much the loss has to say against localisation."""
_LARGEST_NBETA, _TIMES_BATCH = 1000.0, 10  # noise of minibatches grows with nβ over their size
_SHORT = 8  # relaxation times, before anything is judged
_RECORDS = 96  # of each chain in that time
_DOUBLINGS = 3
_SMALLER_STEPS = 2
_LONG = 2  # how many times longer the chains of the best become
_ENOUGH = 10  # effective draws of a chain, to tell anything
_PATIENCE = 20.0  # seconds for the chains of one setting
_TIMES_CHEAPEST = 3.0


_AS_WRITTEN = "as written"
Settings = tuple[float, float, float]


@define(eq=False)
class Sweep:
    """A search over settings for the posteriors of some queries.

    affordable: seconds of a whole run that are never too long.
    """

    queries: Queries
    views: Sequence[View]
    code: UserCode
    reporter: Reporter
    start: Sampler
    affordable: float
    terrains: list[Terrain] = field(factory=list)
    trials: list[Trial] = field(factory=list)
    pilots: dict[Settings, list[Pilot]] = field(factory=dict)
    pace: float = 1.0

    def run(self) -> Trial | None:
        """Try settings, and return the trial of the best, with its chains prolonged."""
        self._survey()
        if self.start.nbeta > 0:
            self._try(self.start, _AS_WRITTEN)
        for nbeta in self._nbetas():
            self._localizations(nbeta)
            while (best := self._best()) is not None:
                longer = self._prolong(best)
                if longer.sound:
                    return longer
        return None

    def _nbetas(self) -> list[float]:
        """Return the values of nβ to start from, one after the other."""
        rows = self.views[0].posterior.setting.averager.rows
        most = _one_digit(min(_LARGEST_NBETA, rows, _TIMES_BATCH * self.start.batch))
        first = self.start.nbeta or self._not_flat(most)
        return [first, _one_digit(first / 10), _one_digit(first / 100)]

    def _not_flat(self, most: float) -> float:
        """Return the largest nβ at which the posterior is as wide as the loss is curved."""
        number = max(range(len(self.views)), key=lambda n: self.terrains[n].curvature)
        view, terrain = self.views[number], self.terrains[number]
        setting = evolve(view.posterior.setting, sampler=self.start)
        for nbeta in (most, _one_digit(most / 3), _one_digit(most / 10), _one_digit(most / 30)):
            with view.posterior.running(self.code):
                if self.start.kind == "rmsprop_sgld" or not is_flat(setting, terrain, nbeta):
                    return nbeta
        return nbeta

    def _localizations(self, nbeta: float) -> None:
        """Let localisation go, step by step, while chains stay sound and a run affordable.

        What is held closer than the settings as written is tried only where nothing else will do:
        if these are sound, so would that be, and say less.
        """
        sharpest = max(terrain.curvature for terrain in self.terrains)
        samplers = [
            self._with_step(nbeta, _one_digit(nbeta * sharpest / softness)) for softness in _SOFTER
        ]
        known = self._known_to_be_sound(nbeta)
        softer = [sampler for sampler in samplers if sampler.localization < known]
        cheapest = inf if len(softer) == len(samplers) else self._guess(samplers[0])
        self._let_go(softer, cheapest)
        if self._best() is None:
            self._let_go(samplers[: len(samplers) - len(softer)], inf)

    def _known_to_be_sound(self, nbeta: float) -> float:
        """Return the localisation at which chains are sound by what is known already."""
        sound = (t.sampler for t in self.trials if t.what and t.sound)
        return min((s.localization for s in sound if s.nbeta == nbeta), default=inf)

    def _let_go(self, samplers: Sequence[Sampler], cheapest: float) -> None:
        """Try settings in turn, up to the first that are unsound or make a run too long."""
        for sampler in samplers:
            if self._guess(sampler) > max(self.affordable, _TIMES_CHEAPEST * cheapest):
                return
            trial = self._settle(sampler)
            if not trial.sound:
                return
            cheapest = min(cheapest, trial.expected)

    def _settle(self, sampler: Sampler) -> Trial:
        """Try settings; again with a smaller step where the chains say that it is too large.

        The curvature at the checkpoint is not that of every place which the chains come to.
        """
        trial = self._try(sampler, "")
        for _ in range(_SMALLER_STEPS):
            if trial.sound or not _is_of_step(trial):
                break
            sampler = evolve(sampler, step=round_down(sampler.step / 3))
            trial = self._try(sampler, "")
        return trial

    def _best(self) -> Trial | None:
        """Return the sound and affordable trial with the smallest γ/nβ, of the largest nβ."""
        sound = [trial for trial in self.trials if trial.sound and not trial.what]
        cheapest = min((trial.expected for trial in sound), default=0.0)
        limit = max(self.affordable, _TIMES_CHEAPEST * cheapest)
        near = [trial for trial in sound if trial.expected <= limit]
        most = max((t.sampler.nbeta for t in near), default=0)
        top = [trial for trial in near if trial.sampler.nbeta == most]
        return min(top, key=lambda t: t.sampler.localization, default=None)

    def _prolong(self, trial: Trial) -> Trial:
        """Let the chains of a trial run on, and replace it by what they then say."""
        pilots = self.pilots[_settings(trial.sampler)]
        self._run(pilots, _LONG - 1, "prolonging the best")
        longer = self._judged(trial.sampler, trial.what, pilots)
        self.trials[self.trials.index(trial)] = longer
        return longer

    def _try(self, sampler: Sampler, what: str) -> Trial:
        """Run short chains of every posterior, twice as long where they have hardly moved.

        Where earlier chains were slower than localisation explains, these begin longer.
        """
        relaxed = max(terrain.relaxation(sampler) for terrain in self.terrains)
        slower = min(max(self.pace, 1.0), 2**_DOUBLINGS)
        length = max(min(_SHORT * slower * relaxed, self._patient(_PATIENCE)), _RECORDS)
        every = max(1, round(length / _RECORDS))
        pilots = [Pilot(view, sampler, every, self.code) for view in self.views]
        self.pilots[_settings(sampler)] = pilots
        name = f"nβ {sampler.nbeta:g}, γ {sampler.localization:g}, step {sampler.step:g}"
        self._run(pilots, 1, name)
        trial = self._judged(sampler, what, pilots)
        for _ in range(_DOUBLINGS):
            longer = self._patient(_PATIENCE) > 2 * int(pilots[0].steps[-1])
            if not (longer and _is_short(trial)):
                break
            self._run(pilots, 1, name)
            trial = self._judged(sampler, what, pilots)
        self.trials.append(trial)
        return trial

    def _run(self, pilots: Sequence[Pilot], times: float, name: str) -> None:
        """Prolong chains by so many times what they have, at first by a fixed number of records."""
        more = [round(len(pilot.steps) * times) or _RECORDS for pilot in pilots]
        total = sum(p.every * n * CHAINS for p, n in zip(pilots, more, strict=True))
        with self.reporter.progress(total, name) as progress:
            for pilot, records in zip(pilots, more, strict=True):
                pilot.run(records, progress.advance)

    def _patient(self, seconds: float) -> int:
        """Return the steps that each chain of every posterior may take in so many seconds."""
        a_step = sum(1.3 * terrain.step for terrain in self.terrains)  # with its share of a record
        return int(seconds / (CHAINS * a_step))

    def _judged(self, sampler: Sampler, what: str, pilots: Sequence[Pilot]) -> Trial:
        queries = evolve(self.queries, sampler=sampler)
        pairs = zip(pilots, self.terrains, strict=True)
        judged = tuple(judge(queries, pilot, terrain, _RECORDS // 3) for pilot, terrain in pairs)
        tau = max(trial.autocorrelation for trial in judged)
        if not isfinite(tau):
            return Trial(sampler, what, judged, 0.0, inf)
        whole = plan.whole_run(sampler, judged, self.terrains) if not what else sampler
        expected = plan.seconds(whole, self.terrains)
        relaxed = max(terrain.relaxation(sampler) for terrain in self.terrains)
        self.pace = tau / relaxed
        effective = whole.chains * whole.draws / plan.per_draw(max(tau, 1.0), whole.thin)
        return Trial(whole if not what else sampler, what, judged, effective / expected, expected)

    def _guess(self, sampler: Sampler) -> float:
        """Return how long a whole run should take, from how the last chains moved."""
        relaxed = max(terrain.relaxation(sampler) for terrain in self.terrains)
        steps = plan.WANTED * max(self.pace * relaxed, 1.0) if self.trials else 0.0
        return steps * sum(terrain.step for terrain in self.terrains)

    def _with_step(self, nbeta: float, gamma: float) -> Sampler:
        """Return settings with the largest step that is accurate for every posterior."""
        unit = evolve(self.start, step=1.0, nbeta=nbeta, localization=gamma)
        largest = min(
            min(
                _STIFFNESS / terrain.stiffness(unit),
                _MINIBATCH / max(terrain.minibatch(unit), 1e-300),
            )
            for terrain in self.terrains
        )
        return evolve(unit, step=round_down(largest))

    def _survey(self) -> None:
        """Measure every posterior at its checkpoint, whatever the settings are to be."""
        sampler = self.start
        for view in self.views:
            with view.posterior.running(self.code):
                terrain = survey(evolve(view.posterior.setting, sampler=sampler))
            if not isfinite(terrain.curvature) or not isfinite(terrain.fastest):
                name = view.posterior.place.name
                nearest = f"the loss of model `{name}` has no finite curvature at the checkpoint"
                advice = "look at the loss a small step away from the checkpoint: it is not finite"
                problem = NothingSound(
                    span=sampler.origin, tried=len(self.trials), nearest=nearest, advice=advice
                )
                raise PatternError([problem])
            self.terrains.append(terrain)


def _settings(sampler: Sampler) -> Settings:
    return sampler.step, sampler.nbeta, sampler.localization


def _is_short(trial: Trial) -> bool:
    """Tell whether longer chains may tell more: they are few or unsound, for no fault of a step."""

    def draws(posterior: PosteriorTrial) -> float:
        kept = posterior.loss[0, posterior.skipped :].size / len(posterior.steps)
        return float(kept * posterior.steps[-1]) / posterior.autocorrelation

    many = all(draws(posterior) >= _ENOUGH for posterior in trial.posteriors)
    return not _is_of_step(trial) and not (many and trial.sound)


def _is_of_step(trial: Trial) -> bool:
    """Tell whether a smaller step may mend what is wrong."""
    words = ("diverged", "spikes")
    return any(word in reason for reason in trial.worst.reasons for word in words)


def _one_digit(value: float) -> float:
    """Return a number rounded to one significant digit."""
    return float(f"{value:.0e}")
