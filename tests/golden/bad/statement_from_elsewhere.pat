edition 2026

import std.tokens
let dose = 1 sd
dataset text = jsonl("text.jsonl")
function double(x: Real) -> Real = 2 * x
