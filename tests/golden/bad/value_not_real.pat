edition 2026

param root: Real = (0 - 1) ^ 0.5
param huge: Real = 1e200 * 1e200
