edition 2026

param area: Real = 3 ** 2
