edition 2026

use std.tokens { repeat, words }
