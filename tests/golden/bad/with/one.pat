edition 2026

use "two.pat" { second }

param first: Real = second
