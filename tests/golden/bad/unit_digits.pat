edition 2026

param steps: Real = 1_000
