edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

use "with/broken.pat" { cap }
use "with/nowhere.pat" { other }

pattern steer {
  reweight text per sample as w
  raise icl by one sd
  apply cap(w, most: "four")
  apply other(w)
  require w <= for
}
