"""How transformers name and arrange their parameters: one row for each arrangement.

A layout is recognised by the name of one parameter of its attention (`marker`), within the
attention module. Its projections say where the numbers of one head are:

- `heads`: consecutive rows (or columns) for each head.
- `fused`: all queries, then all keys, then all values, each head after head.
- `interleaved`: for each head its queries, keys and values.
- `stacked`: an axis of its own that counts heads (and one before it that counts layers, where the
  tensor holds all layers).

The bias of the output projection belongs to no head. Where several heads share keys and values
(grouped-query attention), these rows belong to each of them.
"""

from attrs import field, frozen


@frozen
class Projection:
    """Parameters that hold some of a head's numbers, by their names within the attention module.

    The first name that exists counts, and none is no mistake: biases may be missing. `axis`
    counts heads. `role` is `query`, `key`, `value`, `output`, or `all` three for fused ones.
    """

    names: tuple[str, ...]
    role: str
    axis: int
    arrangement: str = "heads"
    dimensions: int | None = None


@frozen
class Layout:
    """One arrangement of attention; `marker` is the parameter that tells it."""

    name: str
    marker: tuple[str, ...]
    projections: tuple[Projection, ...]
    dimensions: int | None = None
    shape: str = field(default="any")
    """`wide`: the marker has more columns than rows; `tall`: more rows. By this Conv1D is told."""


_OUT = tuple(
    f"{name}.weight"
    for name in (
        *("o_proj", "out_proj", "c_proj", "proj", "dense", "out", "o", "wo", "to_out"),
        *("attention_out", "output", "W_o", "Wo"),
    )
)


def _split(q: str, k: str, v: str) -> Layout:
    """Return the layout of three separate linear maps."""
    linear = [(q, "query"), (k, "key"), (v, "value")]
    return Layout(
        f"separate `{q}`, `{k}`, `{v}`",
        (f"{q}.weight",),
        (
            *(Projection((f"{name}.weight",), role, 0) for name, role in linear),
            *(Projection((f"{name}.bias",), role, 0) for name, role in linear),
            Projection(_OUT, "output", 1),
        ),
    )


def _stack(dimensions: int) -> Layout:
    """Return the TransformerLens layout, of one layer (3 axes) or of all (4)."""
    head = dimensions - 3
    return Layout(
        "TransformerLens `W_Q`" + (" of all layers" if head else ""),
        ("W_Q",),
        (
            Projection(("W_Q",), "query", head, "stacked", dimensions),
            Projection(("W_K", "_W_K"), "key", head, "stacked", dimensions),
            Projection(("W_V", "_W_V"), "value", head, "stacked", dimensions),
            Projection(("b_Q",), "query", head, "stacked", dimensions - 1),
            Projection(("b_K", "_b_K"), "key", head, "stacked", dimensions - 1),
            Projection(("b_V", "_b_V"), "value", head, "stacked", dimensions - 1),
            Projection(("W_O",), "output", head, "stacked", dimensions),
        ),
        dimensions,
    )


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "GPT-2 `c_attn` (Conv1D)",
        ("c_attn.weight",),
        (
            Projection(("c_attn.weight",), "all", 1, "fused"),
            Projection(("c_attn.bias",), "all", 0, "fused"),
            Projection(("c_proj.weight",), "output", 0),
        ),
        shape="wide",
    ),
    Layout(
        "fused rows `c_attn`, `qkv`, `qkv_proj`, `Wqkv`",
        ("c_attn.weight", "qkv.weight", "qkv_proj.weight", "Wqkv.weight"),
        (
            Projection(
                ("c_attn.weight", "qkv.weight", "qkv_proj.weight", "Wqkv.weight"), "all", 0, "fused"
            ),
            Projection(
                ("c_attn.bias", "qkv.bias", "qkv_proj.bias", "Wqkv.bias"), "all", 0, "fused"
            ),
            Projection(_OUT, "output", 1),
        ),
        shape="tall",
    ),
    Layout(
        "nn.MultiheadAttention `in_proj_weight`",
        ("in_proj_weight",),
        (
            Projection(("in_proj_weight",), "all", 0, "fused"),
            Projection(("in_proj_bias",), "all", 0, "fused"),
            Projection(("out_proj.weight",), "output", 1),
        ),
    ),
    Layout(
        "GPT-NeoX `query_key_value`",
        ("query_key_value.weight",),
        (
            Projection(("query_key_value.weight",), "all", 0, "interleaved"),
            Projection(("query_key_value.bias",), "all", 0, "interleaved"),
            Projection(("dense.weight",), "output", 1),
        ),
    ),
    _split("q_proj", "k_proj", "v_proj"),
    _split("query", "key", "value"),
    _split("q", "k", "v"),
    _split("wq", "wk", "wv"),
    _split("to_q", "to_k", "to_v"),
    _stack(3),
    _stack(4),
)

# Attributes that hold the number of heads, on the attention module, a module around it, or the
# `config` or `cfg` of one of these.
HEADS = ("num_heads", "n_heads", "n_head", "num_attention_heads", "nhead", "heads")
CONFIGS = ("config", "cfg")

# Modules (or linear maps) of an MLP, beside the attention in its block.
MLPS = (
    *("mlp", "feed_forward", "feedforward", "ffn", "ff"),
    *("linear1", "linear2", "fc1", "fc2", "mlp_in", "mlp_out"),
)

EMBEDDINGS = (
    *("wte", "embed_tokens", "embed_in", "word_embeddings", "tok_embeddings", "token_embedding"),
    *("tok_emb", "token_emb", "embedding", "embed", "tokens", "W_E"),
)
UNEMBEDDINGS = (
    *("lm_head", "embed_out", "unembed", "unembedding", "output", "head", "to_logits", "decoder"),
    *("readout", "W_U"),
)
