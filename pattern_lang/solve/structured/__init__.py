"""Newton on the dual of a weight program: a few numbers, a few streaming passes over χ."""
