"""Chains that were run before, kept by what they depend on.

Chains depend on the network, the re-weighted rows, their units and the sampler: their family. What
is followed along them are mean losses on data sets. Every observable here is linear in those, so
patterns that ask different things of one posterior read the same chains, whenever these follow
every data set that is needed.
"""

import json
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from attrs import define, frozen

from pattern_lang.estimate.arrays import Matrix, open_arrays, parts_of
from pattern_lang.estimate.digests import digest_of
from pattern_lang.estimate.moments import ChainResult, chain_arrays, chain_of
from pattern_lang.estimate.reporter import Reporter

SCHEMA = "pattern-lang/chains/4"
MEAN = "/mean"
"""Ends the digest of a data set of which pathwise chains know the mean loss, not its derivative."""


@frozen
class PosteriorKey:
    """What chains depend on, and the digests of the data sets that they are followed on.

    seeds: what their seeds come from, which stays where only the arithmetic changes.
    """

    family: str
    data: tuple[str, ...]
    seeds: str


@define
class ChainStore:
    """The chains below one folder; `missed` tells whether any were not there.

    With `fresh`, nothing is found; without a folder, nothing is kept either.
    """

    folder: Path | None
    reporter: Reporter
    fresh: bool = False
    missed: bool = False

    def find(self, key: PosteriorKey) -> tuple[ChainResult, ...] | None:
        """Return chains that follow at least the data sets of a key, in its order, or None.

        Their matrices stay in the file.

        Files that cannot be read are reported, and then as good as absent.
        """
        found = None if self.fresh else self.kept(key)
        self.missed |= found is None
        return found

    def kept(self, key: PosteriorKey) -> tuple[ChainResult, ...] | None:
        """Return what is there, also when everything is to be sampled afresh."""
        if self.folder is not None:
            for path in sorted(_family(self.folder, key).glob("*.safetensors")):
                try:
                    found = _read(path, key)
                except (OSError, ValueError, KeyError, TypeError) as error:
                    self.reporter.message(f"ignoring the stored chains {path.name[:12]}: {error}")
                    continue
                if found is not None:
                    return found
        return None

    def keep(self, key: PosteriorKey, chains: tuple[ChainResult, ...]) -> bool:
        """Store chains, whole or not at all; a folder that cannot be written is told.

        Returns whether they are there now.
        """
        if self.folder is None:
            return False
        name = digest_of(list(key.data)).removeprefix("sha256:")
        path = _family(self.folder, key) / f"{name}.safetensors"
        draft = path.with_name(f".draft-{uuid4().hex}")
        metadata = {
            "schema": SCHEMA,
            "family": key.family,
            "data": json.dumps(key.data),
            "seeds": json.dumps([chain.seed for chain in chains]),
            "figures": json.dumps([chain.figures for chain in chains]),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                file.writelines(parts_of(metadata, _arrays(chains)))
            draft.replace(path)
        except OSError as error:
            self.reporter.message(f"the chains could not be stored: {error}")
            with suppress(OSError):
                draft.unlink()
            return False
        return True


def _family(folder: Path, key: PosteriorKey) -> Path:
    return folder / "chains" / key.family.removeprefix("sha256:")


def _arrays(chains: tuple[ChainResult, ...]) -> dict[str, Matrix]:
    arrays: dict[str, Matrix] = {}
    for number, chain in enumerate(chains):
        arrays |= {f"{number}/{name}": array for name, array in chain_arrays(chain).items()}
    return arrays


def _read(path: Path, key: PosteriorKey) -> tuple[ChainResult, ...] | None:
    metadata, stored = open_arrays(path)
    if metadata["schema"] != SCHEMA or metadata["family"] != key.family:
        raise ValueError("it belongs to something else")
    followed = json.loads(metadata["data"])
    columns = _columns(followed, key.data)
    if columns is None:
        return None
    seeds, figures = json.loads(metadata["seeds"]), json.loads(metadata["figures"])
    chains = []
    for number, seed in enumerate(seeds):
        own = f"{number}/"
        arrays = {n.removeprefix(own): array for n, array in stored.items() if n.startswith(own)}
        chains.append(chain_of(number, seed, arrays, figures[number]).following(columns))
    return tuple(chains)


def _columns(followed: list[str], wanted: tuple[str, ...]) -> list[int] | None:
    """Return where each data set is followed, or None; a derivative has its mean beside it."""
    names = [name if name in followed else name.removesuffix(MEAN) for name in wanted]
    return [followed.index(n) for n in names] if set(names) <= set(followed) else None
