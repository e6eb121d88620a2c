"""Did-you-mean."""

from collections.abc import Iterable


def near(name: str, known: Iterable[str], most: int = 2) -> list[str]:
    """Return the known names that a name is probably a slip of, the likeliest first.

    One slip (a letter more, less, changed or swapped with its neighbour) for each three letters.
    """
    pool = sorted(set(known))
    same = [item for item in pool if item.lower() == name.lower()]
    if same:
        return same[:most]
    found = []
    for item in pool:
        longest = max(len(item), len(name))
        allowed = min(max(1, longest // 3), longest - 1)
        if abs(len(item) - len(name)) <= allowed:
            slips = _slips(name, item)
            if slips <= allowed:
                found.append((slips, item))
    return [item for _, item in sorted(found)[:most]]


def closest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a sentence that suggests at most two known names, or a fallback."""
    found = near(name, known)
    return f"did you mean {' or '.join(f'`{item}`' for item in found)}?" if found else otherwise


def _slips(one: str, other: str) -> int:
    """Return the number of slips between two words: the optimal string alignment distance."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        before, previous, row = row, before, [i]
        for j, b in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, previous[j - 2] + 1)
            row.append(cost)
    return row[-1]
