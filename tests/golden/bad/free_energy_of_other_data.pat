edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

data held_out = jsonl("held_out.jsonl")

pattern steer {
  reweight text per sample as w
  lower free_energy(lm, on: held_out) by 1 sd
  hold icl within 1 sd
}
