edition 2026

param share: Real = 0.5
param half: Real = $share / 2
