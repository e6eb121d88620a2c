edition 2026

use "policies/gentle.pat" { gentle }

rules careful(w: Weights) {
  apply gentle(w)
}
