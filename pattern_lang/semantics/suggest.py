"""Did-you-mean."""

from collections.abc import Iterable
from difflib import get_close_matches


def closest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a sentence that suggests at most two known names, or a fallback."""
    pool = sorted(set(known))
    found = get_close_matches(name, pool, n=2, cutoff=0.6)
    if not found:
        found = [item for item in pool if item.lower() == name.lower()]
    return f"did you mean {' or '.join(f'`{item}`' for item in found)}?" if found else otherwise
