"""Source text to syntax tree, with spans, comments and recovery."""
