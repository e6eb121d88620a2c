edition 2026

# Which tokens: predicates on positions, most of them a regular expression on the token's text. A
# space may be written as vocabularies do, Ġ or ▁, and a line break as Ċ.

## Tokens whose text matches a regular expression somewhere (Python's syntax).
##
## Example: `text where matches("ing$")`
def matches(regex: String) -> Predicate = builtin

## Tokens that complete a run of `length` tokens which stood earlier in the same row.
##
## Example: `text where repeats(2)`
def repeats(length: Int) -> Predicate = builtin

## Induction patterns: the second `b` of `a b … a b`, what an induction head predicts.
##
## Example: `text where induction()`
def induction() -> Predicate = repeats(2)

## Tokens that begin a word: a space, then a letter.
##
## Example: `text where word_starts()`
def word_starts() -> Predicate = matches("^[ \u{120}\u{2581}][^\\W\\d_]")

## Tokens that continue a word: a letter first.
##
## Example: `text where word_parts()`
def word_parts() -> Predicate = matches("^(?![\u{120}\u{10a}])[^\\W\\d_]")

## Brackets, quotes and separators.
##
## Example: `text where delimiters()`
def delimiters() -> Predicate = matches("^[\\s\u{120}\u{10a}\u{2581}]*[\\[\\](){}<>\"'`,;:]+$")

## White space alone.
##
## Example: `text where spaces()`
def spaces() -> Predicate = matches("^[\\s\u{120}\u{10a}\u{2581}]+$")

## Digits alone, with or without a space before them.
##
## Example: `text where digits()`
def digits() -> Predicate = matches("^[\\s\u{120}\u{2581}]?[0-9]+$")
