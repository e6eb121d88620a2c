edition 2026

rules one(w: Weights) {
  apply two(w)
}

rules two(w: Weights) {
  apply one(w)
}
