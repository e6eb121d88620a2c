edition 2026

param huge: Real = 1e400
