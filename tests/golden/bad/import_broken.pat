edition 2026

use "with/broken.pat" { cap, most }

rules careful(w: Weights) {
  apply cap(w)
  require w <= most
  require w <= other
}
