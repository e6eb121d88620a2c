edition 2026

use "one.pat" { first }

param second: Real = first
