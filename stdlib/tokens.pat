edition 2026

## Tokens that complete a run of `length` tokens seen before in the same row.
def repeats(length: Int) -> Predicate = builtin
