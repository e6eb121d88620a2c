edition 2026

use "with/one.pat" { first }

param last: Real = first
