"""Lines for one statement: on one line where it fits, else its brackets opened from the outside."""

from attrs import evolve

from pattern_lang.syntax.formatting.groups import Element, Group, Spaced, mark_signs, nest
from pattern_lang.syntax.formatting.pieces import Word

WIDTH = 100
INDENT = 2
CONTINUATION = 4
_BREAK_BEFORE = frozenset({"BINARY_SIGN", "AND", "OR", "WHERE", "COMPARATOR"})


def lines_of(words: list[Word], indent: int, keyword_width: int) -> tuple[list[str], list[str]]:
    """Return the comments to put above a statement, and its lines without the first indent.

    The keyword is padded to `keyword_width`. The first line starts at column `indent`.
    """
    element = nest(mark_signs(words))
    keyword = element.parts[0]
    assert isinstance(keyword, Spaced)
    head = keyword.word.text.ljust(keyword_width)
    rest = Element(element.parts[1:], element.comments, element.after)
    above = [comment.text for comment in element.comments]
    flat = head + flat_text(rest.parts)
    if not _has_comments(rest.parts) and indent + len(flat) <= WIDTH:
        return above, [flat]
    lines = _broken(rest, indent, head)
    return above, lines


def flat_text(parts: list[Spaced | Group]) -> str:
    """Return parts on one line."""
    return "".join(_flat(part) for part in parts)


def _flat(part: Spaced | Group) -> str:
    if isinstance(part, Spaced):
        return (" " if part.space else "") + part.word.text
    opening = part.opening
    inner = ", ".join(flat_text(element.parts).lstrip() for element in part.elements)
    inside = f" {inner} " if part.closing == "}" and inner else inner
    return (" " if opening.space else "") + opening.word.text + inside + part.closing


def _has_comments(parts: list[Spaced | Group]) -> bool:
    return any(
        part.loose or any(e.comments or e.after or _has_comments(e.parts) for e in part.elements)
        for part in parts
        if isinstance(part, Group)
    )


def _broken(element: Element, indent: int, head: str) -> list[str]:
    """Open the first group with comments, else the longest; without any, break before operators."""
    groups = [i for i, part in enumerate(element.parts) if isinstance(part, Group)]
    groups = [i for i in groups if _can_open(element.parts[i])]
    commented = [i for i in groups if _has_comments([element.parts[i]])]
    longest = max((len(_flat(element.parts[i])) for i in groups), default=0)
    if not groups or (not commented and longest < WIDTH // 2 and _has_operators(element.parts)):
        return _at_operators(element.parts, indent, head)
    chosen = commented[0] if commented else max(groups, key=lambda i: len(_flat(element.parts[i])))
    group = element.parts[chosen]
    assert isinstance(group, Group)
    first = head + flat_text(element.parts[:chosen])
    first += (" " if group.opening.space else "") + group.opening.word.text
    lines = [first]
    inner = indent + CONTINUATION
    together = " " * inner + ", ".join(flat_text(e.parts).lstrip() for e in group.elements)
    if not _has_comments([group]) and len(together) <= WIDTH:
        lines.append(together)
    else:
        for item in group.elements[:-1]:
            lines.extend(_element(item, inner, comma=True))
        for item in group.elements[-1:]:
            lines.extend(_element(item, inner, comma=_takes_comma(group)))
    lines.extend(" " * inner + comment.text for comment in group.loose)
    tail = " " * indent + group.closing
    following = Element(element.parts[chosen + 1 :])
    if _has_comments(following.parts) or len(tail + flat_text(following.parts)) > WIDTH:
        return lines + _broken(following, indent, tail) if following.parts else [*lines, tail]
    return [*lines, tail + flat_text(following.parts)]


def _has_operators(parts: list[Spaced | Group]) -> bool:
    return any(isinstance(part, Spaced) and part.word.kind in _BREAK_BEFORE for part in parts)


def _can_open(part: Spaced | Group) -> bool:
    return isinstance(part, Group) and bool(part.elements or part.loose)


def _takes_comma(group: Group) -> bool:
    """Tell whether a last comma may stand: in calls, lists and imports, not in types."""
    bracket = group.opening.word.text
    return bracket == "{" or group.follows == (bracket == "(")


def _element(element: Element, indent: int, *, comma: bool) -> list[str]:
    lines = [" " * indent + comment.text for comment in element.comments]
    end = "," if comma else ""
    flat = flat_text(element.parts).lstrip()
    if not _has_comments(element.parts) and indent + len(flat) + 1 <= WIDTH:
        body = [" " * indent + flat + end]
    else:
        body = _broken(_without_first_space(element), indent, " " * indent)
        body[-1] += end
    if element.after is not None:
        body[-1] += f"  {element.after.text}"
    return lines + body


def _without_first_space(element: Element) -> Element:
    first, *rest = element.parts
    if isinstance(first, Spaced):
        return Element([Spaced(first.word, space=False), *rest])
    return Element([evolve(first, opening=Spaced(first.opening.word, space=False)), *rest])


def _at_operators(parts: list[Spaced | Group], indent: int, head: str) -> list[str]:
    """Break behind `=` if that is enough; else fill lines with operands, each with its operator."""
    texts = [_flat(part) for part in parts]
    if " =" in texts:
        value = texts.index(" =") + 1
        first = head + "".join(texts[:value])
        second = " " * (indent + CONTINUATION) + "".join(texts[value:]).lstrip()
        if max(len(first), len(second)) <= WIDTH:
            return [first, second]
    operands = [""]
    for part in parts:
        if isinstance(part, Spaced) and part.word.kind in _BREAK_BEFORE:
            operands.append("")
        operands[-1] += _flat(part)
    lines, line = [], head + operands[0]
    for operand in operands[1:]:
        if len(line) + len(operand) > WIDTH - CONTINUATION and line.strip():
            lines.append(line.rstrip())
            line = " " * (indent + CONTINUATION) + operand.lstrip()
        else:
            line += operand
    return [*lines, line]
