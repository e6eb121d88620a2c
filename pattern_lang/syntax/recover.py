"""Parse a text; where that fails, parse it statement by statement and leave out the broken ones.

Each statement is parsed by itself, so an error in one never hides an error in another. A text
without errors is parsed declaration by declaration: the parser's trees stay small that way.
"""

from typing import Any

import lark
from attrs import define, evolve, field

from pattern_lang.diagnostics import Problem, SourceFile, Span
from pattern_lang.diagnostics.catalogue.syntax import (
    MissingBrace,
    NestedTooDeeply,
    StatementOutOfPlace,
    TooManyErrors,
    UnexpectedToken,
    UnfinishedStatement,
)
from pattern_lang.syntax import ast, words
from pattern_lang.syntax.build import Builder
from pattern_lang.syntax.mistakes import mistake, unknown_statement
from pattern_lang.syntax.outline import Block, Piece, outline
from pattern_lang.syntax.parser import parser
from pattern_lang.syntax.scan import doc_comments, scan, top_level

MOST_ERRORS = 20
MOST_NESTING = 100
_BYTE_ORDER_MARK = "\ufeff"
_VALUE_OF = "param x: Real ="
_BODIES = {"pattern": words.GOALS, "rules": words.GOALS, "study": words.STUDY_ITEMS}

Tree = lark.Tree[lark.Token]


def parse(source: SourceFile) -> tuple[ast.File, tuple[Problem, ...]]:
    """Parse a source into a file, with every syntax error found on the way."""
    whole = Span(source, 0, len(source.text))
    text = source.text
    if text.startswith(_BYTE_ORDER_MARK):
        text = " " + text[1:]
    builder = Builder(source, doc_comments(text))
    declarations: list[ast.Declaration] = []
    starts = (0, *top_level(text, words.DECLARATIONS))
    for start, end in zip(starts, (*starts[1:], len(text)), strict=True):
        try:
            tree = parser().parse(text[start:end])
        except lark.UnexpectedInput:
            tree = None
        if tree is None or _too_deep(tree) is not None:
            builder.problems.clear()
            return _Recovery(source, text, builder).file()
        builder.offset = start
        if tree.children:
            declarations.extend(builder(tree))
    return ast.File(whole, tuple(declarations)), tuple(builder.problems)


def parse_expression(source: SourceFile) -> tuple[ast.Expression | None, tuple[Problem, ...]]:
    """Parse a source that holds one expression, such as the value of `-p NAME=VALUE`."""
    tokens = scan(source.text)
    offset = -len(_VALUE_OF)
    try:
        tree = parser().parse(_VALUE_OF + source.text)
    except lark.UnexpectedInput as error:
        return None, (mistake(source, Piece(tokens), error, offset),)
    deep = _too_deep(tree)
    if deep is not None:
        start = deep.meta.start_pos + offset
        return None, (NestedTooDeeply(span=Span(source, start, start + 1), limit=MOST_NESTING),)
    builder = Builder(source, {})
    builder.offset = offset
    first, *rest = builder(tree)
    problems = list(builder.problems)
    if rest:
        word = rest[0].span.text.split(None, 1)[0]
        span = Span(source, rest[0].span.start, rest[0].span.start + len(word))
        found, expected = f"the word `{word}`", "the end of the value"
        problems.append(UnexpectedToken(span=span, found=found, expected=expected))
    return first.value, tuple(problems)


def _too_deep(tree: Tree) -> Tree | None:
    """Return a node nested deeper than what the passes follow, or None.

    The links of `a^b^c` and `a.b(c)[d]` stand side by side here and nest in the syntax tree.
    """
    pending = [(tree, 0)]
    while pending:
        node, depth = pending.pop()
        depth += len(node.children) if node.data in ("power", "postfix") else 1
        if depth > MOST_NESTING:
            return node
        pending.extend((child, depth) for child in node.children if isinstance(child, lark.Tree))
    return None


class _GaveUpError(Exception):
    """There are more errors than anyone reads at once."""


@define
class _Recovery:
    """Reads a source statement by statement; `lost` and `gaps` are as in `ast.File`."""

    source: SourceFile
    text: str
    builder: Builder
    problems: list[Problem] = field(factory=list)
    lost: set[str] = field(factory=set)
    gaps: list[Span] = field(factory=list)

    def file(self) -> tuple[ast.File, tuple[Problem, ...]]:
        whole = Span(self.source, 0, len(self.text))
        tokens = scan(self.text)
        declarations: list[ast.Declaration] = []
        try:
            for item in outline(tokens):
                read = self.block(item) if isinstance(item, Block) else self.declaration(item)
                declarations.extend(read)
        except _GaveUpError:
            # Nothing is known of this text, so no name in it can be called missing.
            every_word = frozenset(token.text for token in tokens if token.kind == "word")
            return ast.File(whole, (), every_word), tuple(self.problems)
        found = (*self.problems, *self.builder.problems)
        return ast.File(whole, tuple(declarations), frozenset(self.lost), tuple(self.gaps)), found

    # ---- what can be read -----------------------------------------------------------------------

    def declaration(self, piece: Piece) -> list[ast.Declaration]:
        if piece.keyword in words.DECLARATIONS:
            return self.read(piece, "", "") or []
        if piece.keyword in words.STATEMENTS:
            self.out_of_place(piece)
        else:
            self.drop(piece, unknown_statement(self.source, piece, tuple(words.DECLARATIONS)))
        return []

    def block(self, block: Block) -> list[ast.Declaration]:
        head = block.head
        read = self.read(head, "", "{}") if block.opened else None
        if block.opened is None:
            self.drop(head, self.headless(head))
        items = [node for item in block.items for node in self.item(head.keyword, item)]
        if block.opened and block.closed is None:
            self.note(self.missing_brace(block))
        end = block.closed.end if block.closed else max(p.end for p in (head, *block.items))
        return [_with_body(read[0] if read else self.stand_in(head), items, head.start, end)]

    def item(self, owner: str, piece: Piece) -> list[ast.Statement]:
        allowed = _BODIES[owner]
        if piece.keyword in allowed:
            prefix = "study s{" if owner == "study" else "pattern p{"
            read = self.read(piece, prefix, "}")
            return [*read[0].body] if read else []
        if piece.keyword in words.STATEMENTS:
            self.out_of_place(piece)
        else:
            self.drop(piece, unknown_statement(self.source, piece, tuple(allowed)))
        return []

    def read(self, piece: Piece, prefix: str, suffix: str) -> list[Any] | None:
        """Parse one statement between what it needs around it; None when it is broken."""
        offset = piece.start - len(prefix)
        text = prefix + self.text[piece.start : piece.end]
        tree: Tree | None
        try:
            tree = parser().parse(text + suffix)
        except lark.UnexpectedInput as error:
            tree = _complete_part(text, suffix, error)
            self.drop(piece, mistake(self.source, piece, error, offset), kept=tree is not None)
        if tree is None:
            return None
        deep = _too_deep(tree)
        if deep is not None:
            start = (deep.meta.start_pos if not deep.meta.empty else 0) + offset
            place = Span(self.source, start, start + 1)
            self.drop(piece, NestedTooDeeply(span=place, limit=MOST_NESTING))
            return None
        self.builder.offset = offset
        return list(self.builder(tree))

    # ---- what cannot ----------------------------------------------------------------------------

    def note(self, problem: Problem) -> None:
        self.problems.append(problem)
        if len(self.problems) >= MOST_ERRORS:
            self.problems.append(TooManyErrors(span=problem.span, count=len(self.problems)))
            raise _GaveUpError

    def drop(self, piece: Piece, problem: Problem, *, kept: bool = False) -> None:
        """Note a broken statement, and what goes with it unless some of it is `kept`."""
        self.gaps.append(Span(self.source, piece.start, piece.end))
        if not kept:
            self.lost.update(_names(piece))
        self.note(problem)

    def out_of_place(self, piece: Piece) -> None:
        keyword = piece.keyword
        where, advice = _place_of(keyword)
        span = Span(self.source, piece.start, piece.start + len(keyword))
        self.drop(
            piece, StatementOutOfPlace(span=span, keyword=keyword, where=where, advice=advice)
        )

    def headless(self, head: Piece) -> Problem:
        """Return the problem of a head that no `{` follows."""
        try:
            parser().parse(self.text[head.start : head.end] + "{}")
        except lark.UnexpectedInput as error:
            return mistake(self.source, head, error, head.start)
        return UnfinishedStatement(
            span=Span(self.source, head.end, head.end),
            what=f"this `{head.keyword}`",
            expected="`{`",
            form=f"the form is `{words.form_of(head.keyword)}`",
        )

    def missing_brace(self, block: Block) -> Problem:
        assert block.opened is not None
        opened = Span(self.source, block.opened.start, block.opened.end)
        if block.before is not None:
            span = Span(self.source, block.before.start, block.before.end)
            found = f"this `{span.text}`"
            return MissingBrace(span=span, found=found, where="before this", opened=opened)
        end = max([block.opened.end, *(piece.end for piece in block.items)])
        span = Span(self.source, end, end)
        return MissingBrace(span=span, found="the end of the file", where="here", opened=opened)

    def stand_in(self, head: Piece) -> ast.Declaration:
        """Return an empty declaration for a head that cannot be read."""
        token = head.tokens[1] if len(head.tokens) > 1 else head.tokens[0]
        named = token.kind == "word" and token.text not in words.RESERVED
        # No spec can write this name, so it clashes with nothing and nothing refers to it.
        text = token.text if named else f"{head.keyword} {head.start}"
        name = ast.Identifier(Span(self.source, token.start, token.end), text)
        span = Span(self.source, head.start, head.end)
        match head.keyword:
            case "study":
                return ast.Study(span, name, ())
            case "rules":
                return ast.Rules(span, name, (), ())
            case _:
                return ast.Pattern(span, name, (), ())


def _complete_part(text: str, suffix: str, error: lark.UnexpectedInput) -> Tree | None:
    """Return the tree of what stands before an error, where that is a whole statement."""
    try:
        return parser().parse(text[: error.pos_in_stream or 0] + suffix)
    except lark.UnexpectedInput:
        return None


def _with_body(
    head: ast.Declaration, items: list[ast.Statement], start: int, end: int
) -> ast.Declaration:
    span = Span(head.span.source, start, end)
    assert isinstance(head, (ast.Pattern, ast.Rules, ast.Study))
    body: tuple[Any, ...] = tuple(items)
    return evolve(head, span=span, body=body)


def _names(piece: Piece) -> set[str]:
    """Return the names that a broken statement may have been meant to declare."""
    keyword = words.meant(piece.keyword, words.STATEMENTS) or ""
    rest = piece.tokens[1:]
    names = [t.text for t in rest if t.kind == "word" and t.text not in words.RESERVED]
    if keyword in ("use", *words.WITH_BODY):
        return {*names, "w"}
    if keyword == "reweight":
        return {names[-1], "w"} if names else {"w"}
    return set(names[:1]) if keyword in words.DECLARATIONS else set()


def _place_of(keyword: str) -> tuple[str, str]:
    if keyword in words.DECLARATIONS:
        return "it declares something for the whole file", "move it to the top level of the file"
    if keyword in words.GOALS:
        return (
            "it says something about weights",
            "put it inside `pattern NAME { … }` or `rules NAME(w: Weights) { … }`",
        )
    return "it belongs to a study", "put it inside `study NAME { … }`"
