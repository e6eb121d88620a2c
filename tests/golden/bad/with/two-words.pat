edition 2026

param most: Real = 4
