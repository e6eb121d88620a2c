edition 2026

rules gentle(w Weights) {
  require 0 < w
}
