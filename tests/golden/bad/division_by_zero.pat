edition 2026

param zero: Real = 0
param ratio: Real = 1 / zero
