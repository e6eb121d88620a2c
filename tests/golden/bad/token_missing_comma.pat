edition 2026

model lm = torch("model.py:build" weights: "base.safetensors")
