edition 2026

use std.tokens { repeats

data text = jsonl("text.jsonl")
data copies = text where repeats(2)
