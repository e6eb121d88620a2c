edition 2026

param a: Real = 2 * b
param b: Real = c + 1
param c: Real = a
