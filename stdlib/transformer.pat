edition 2026

## One attention head: its rows of the query, key and value projections and its columns of the output projection.
def head(m: Model, layer: Int, head: Int) -> Component = builtin

## The two matrices of one layer's MLP, with their biases.
def mlp(m: Model, layer: Int) -> Component = builtin

## The token embedding.
def embedding(m: Model) -> Component = builtin

## The output matrix.
def unembedding(m: Model) -> Component = builtin
