edition 2026

# Components of transformers, resolved from the real names of a model's modules: GPT-2, Llama and
# Qwen, GPT-NeoX, nn.TransformerEncoder and TransformerLens layouts, with row and column slices of
# fused projections.

## One attention head: its rows of the query, key and value projections and its columns of the
## output projection. Layers and heads count from 0. Heads that share keys and values (grouped-query
## attention) share their rows; the bias of the output projection belongs to no head.
##
## Example: `restrict(loss(m, on: text), to: transformer.head(m, 0, 3))`
def head(m: Model, layer: Int, head: Int) -> Component = builtin

## The matrices of one layer's MLP, with their biases.
##
## Example: `restrict(loss(m, on: text), to: transformer.mlp(m, 1))`
def mlp(m: Model, layer: Int) -> Component = builtin

## The token embedding. Where it is tied to the output matrix, the two are one.
##
## Example: `restrict(loss(m, on: text), to: transformer.embedding(m))`
def embedding(m: Model) -> Component = builtin

## The output matrix.
##
## Example: `restrict(loss(m, on: text), to: transformer.unembedding(m))`
def unembedding(m: Model) -> Component = builtin
