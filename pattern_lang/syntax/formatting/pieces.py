"""Cut a text into statements: tokens, the comments around them, blank lines before them."""

from collections.abc import Iterator

from attrs import define, field, frozen
from lark import Token

from pattern_lang.syntax.parser import parser
from pattern_lang.syntax.words import STATEMENTS, WITH_BODY


@frozen
class Word:
    """A token that counts, or a comment; `line` is where it starts, from 1."""

    kind: str
    text: str
    line: int
    end_line: int

    @property
    def is_comment(self) -> bool:
        """Tell whether it is a comment."""
        return self.kind == "COMMENT"


@define
class Statement:
    """One statement.

    `before` are the comments on lines of their own above it, `words` its tokens and inner
    comments, `after` a comment on its last line. A statement with a body has its statements in
    `body`, `opening` is a comment behind the brace, `closing` are comments before its end.
    """

    before: list[Word] = field(factory=list)
    words: list[Word] = field(factory=list)
    after: Word | None = None
    body: list["Statement"] | None = None
    opening: Word | None = None
    closing: list[Word] = field(factory=list)
    blank_before: bool = False

    @property
    def keyword(self) -> str:
        """Return the word that the statement begins with."""
        return self.words[0].text


@frozen
class Pieces:
    """A whole text: its statements, and the comments behind the last one."""

    statements: list[Statement]
    closing: list[Word]


def words_of(text: str) -> Iterator[Word]:
    """Return the tokens and comments of a text without syntax errors."""
    for token in parser().lex(text, dont_ignore=True):
        if token.type != "WHITESPACE":
            yield _word(token)


def _word(token: Token) -> Word:
    text = str(token)
    if token.type == "ATTRIBUTE":
        text = "." + text[1:].lstrip()
    if token.type == "COMMENT":
        text = text.rstrip()
    line = token.line or 1
    return Word(token.type, text, line, token.end_line or line)


@define
class _Cutter:
    """The state of one pass over the words."""

    words: list[Word]
    position: int = 0
    last_line: int = 0

    def next(self) -> Word | None:
        return self.words[self.position] if self.position < len(self.words) else None

    def take(self) -> Word:
        word = self.words[self.position]
        self.position += 1
        self.last_line = word.end_line
        return word

    def statements(self) -> tuple[list[Statement], list[Word]]:
        """Read statements up to a closing brace or the end; return what comments are left."""
        found: list[Statement] = []
        pending: list[Word] = []
        gap = False
        while (word := self.next()) is not None and word.text != "}":
            if not pending:
                gap = word.line > self.last_line + 1 and self.last_line > 0
            if word.is_comment:
                pending.append(self.take())
                continue
            statement = self._statement()
            statement.before, statement.blank_before = pending, gap and bool(found)
            found.append(statement)
            pending = []
        return found, pending

    def _statement(self) -> Statement:
        statement = Statement(words=[self.take()])
        takes_body = statement.keyword in WITH_BODY
        while (word := self.next()) is not None:
            starts = word.text in STATEMENTS and word.kind == word.text.upper()
            if word.is_comment and self._ends_statement(statement):
                break
            if starts or (word.text == "}" and not _open_brace(statement)):
                break
            if word.text == "{" and takes_body:
                self._body(statement)
                break
            statement.words.append(self.take())
        follower = self.next()
        if follower is not None and follower.is_comment and follower.line == self.last_line:
            statement.after = self.take()
        return statement

    def _ends_statement(self, statement: Statement) -> bool:
        """Tell whether only comments stand between here and the next statement or its end."""
        for word in self.words[self.position :]:
            if not word.is_comment:
                closes = word.text == "}" and not _open_brace(statement)
                return closes or word.text in STATEMENTS
        return True

    def _body(self, statement: Statement) -> None:
        brace = self.take()
        follower = self.next()
        if follower is not None and follower.is_comment and follower.line == brace.line:
            statement.opening = self.take()
        statement.body, statement.closing = self.statements()
        self.take()


def _open_brace(statement: Statement) -> bool:
    texts = [word.text for word in statement.words if not word.is_comment]
    return texts.count("{") > texts.count("}")


def cut(text: str) -> Pieces:
    """Cut a text without syntax errors into statements."""
    cutter = _Cutter(list(words_of(text)))
    statements, closing = cutter.statements()
    return Pieces(statements, closing)
