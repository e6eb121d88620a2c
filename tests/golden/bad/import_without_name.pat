edition 2026

use "with/two-words.pat"
