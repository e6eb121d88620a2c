edition 2026

use std.tokns { repeats }

data text = jsonl("text.jsonl")
data copies = text where repeats(2)
