edition 2026

param area: Real = (1 + 2) * 3)
