edition 2026

param most Real = 4

rules cap(w: Weights, most: Real = 4) {
  require w <= most,
}
