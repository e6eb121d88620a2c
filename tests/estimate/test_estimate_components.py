"""Components of real networks: heads partition the attention, and a head moves its own output."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate.components import select
from pattern_lang.estimate.network import flatten, restricted
from pattern_lang.estimate.selection import Selection
from pattern_lang.ir.sources import Component, LibraryComponent, ModelSource, ParameterGlob

SOURCE = ModelSource("lm", "torch")
WIDTH, HEADS, LAYERS, WORDS = 24, 4, 2, 30


def part(function: str, **arguments: int) -> LibraryComponent:
    return LibraryComponent(SOURCE, f"std.transformer.{function}", tuple(arguments.items()))


def hugging(kind: str, **settings: object) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    common = {"vocab_size": WORDS, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = getattr(transformers, f"{kind}Config")(**common, **settings)
    name = {"GPT2": "GPT2LMHeadModel"}.get(kind, f"{kind}ForCausalLM")
    module: nn.Module = getattr(transformers, name)(config)
    return module


def gpt2() -> nn.Module:
    return hugging("GPT2", n_layer=LAYERS, n_head=HEADS, n_embd=WIDTH, n_positions=8)


def llama_like(kind: str, keys: int) -> nn.Module:
    return hugging(
        kind,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=keys,
        intermediate_size=20,
    )


def neox() -> nn.Module:
    return hugging(
        "GPTNeoX",
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=20,
        max_position_embeddings=16,
    )


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 20, batch_first=True)
    return nn.Sequential(nn.Embedding(WORDS, WIDTH), nn.TransformerEncoder(layer, LAYERS))


class Lens(nn.Module):
    """Attention with TransformerLens names; of one layer, or of all layers in one tensor."""

    def __init__(self, stacked: bool) -> None:
        super().__init__()
        shape = (LAYERS, HEADS) if stacked else (HEADS,)
        small = WIDTH // HEADS
        for name in ("W_Q", "W_K", "W_V"):
            setattr(self, name, nn.Parameter(torch.randn(*shape, WIDTH, small)))
            setattr(self, name.replace("W", "b"), nn.Parameter(torch.randn(*shape, small)))
        self.W_O = nn.Parameter(torch.randn(*shape, small, WIDTH))
        self.b_O = nn.Parameter(torch.randn(*shape[:-1], WIDTH))

    def forward(self, x: Tensor, layer: int | None = None) -> Tensor:
        own = {n: p if layer is None else p[layer] for n, p in self.named_parameters()}
        q, k, v = (
            torch.einsum("btd,hde->bhte", x, own[f"W_{n}"]) + own[f"b_{n}"][:, None] for n in "QKV"
        )
        scores = torch.softmax(q @ k.transpose(-1, -2), dim=-1) @ v
        return torch.einsum("bhte,hed->btd", scores, own["W_O"]) + own["b_O"]


class LensBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = Lens(stacked=False)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 20), nn.GELU(), nn.Linear(20, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.mlp(x)


class LensModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Module()
        self.embed.W_E = nn.Parameter(torch.randn(WORDS, WIDTH))
        self.blocks = nn.ModuleList(LensBlock() for _ in range(LAYERS))
        self.unembed = nn.Module()
        self.unembed.W_U = nn.Parameter(torch.randn(WIDTH, WORDS))
        self.unembed.b_U = nn.Parameter(torch.randn(WORDS))


class Plain(nn.Module):
    """Layers with linear maps called as asked; fused into one, or three of them."""

    def __init__(self, names: tuple[str, ...], out: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for _ in range(LAYERS):
            layer = nn.Module()
            layer.num_heads = HEADS  # type: ignore[assignment]
            for name in names:
                layer.add_module(name, nn.Linear(WIDTH, WIDTH * 3 // len(names)))
            layer.add_module(out, nn.Linear(WIDTH, WIDTH))
            layer.mlp_in, layer.mlp_out = nn.Linear(WIDTH, 20), nn.Linear(20, WIDTH)
            self.layers.append(layer)


# The module, the attention of layer 1 in it, and what of the attention belongs to no head.
LAYOUTS: dict[str, tuple[Callable[[], nn.Module], str, tuple[str, ...]]] = {
    "gpt2": (gpt2, "transformer.h.1.attn.", ("c_proj.bias",)),
    "llama": (lambda: llama_like("Llama", HEADS), "model.layers.1.self_attn.", ()),
    "qwen2": (lambda: llama_like("Qwen2", HEADS), "model.layers.1.self_attn.", ()),
    "neox": (neox, "gpt_neox.layers.1.attention.", ("dense.bias",)),
    "encoder": (encoder, "1.layers.1.self_attn.", ("out_proj.bias",)),
    "lens": (LensModel, "blocks.1.attn.", ("b_O",)),
    "fused": (lambda: Plain(("qkv",), "proj"), "layers.1.", ("proj.bias",)),
    "separate": (
        lambda: Plain(("query", "key", "value"), "attention_out"),
        "layers.1.",
        ("attention_out.bias",),
    ),
}


def counts(module: nn.Module, selections: list[Selection]) -> dict[str, Tensor]:
    """Return how often each number of each parameter is in the selections."""
    found = {n: torch.zeros_like(p, requires_grad=False) for n, p in module.named_parameters()}
    for selection in selections:
        for piece in selection:
            piece.of(found[piece.name]).add_(1)
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_heads_partition_the_attention(name: str) -> None:
    build, attention, shared = LAYOUTS[name]
    module = build()
    heads = [select(part("head", layer=1, head=head), module) for head in range(HEADS)]
    mlp = {piece.name for piece in select(part("mlp", layer=1), module)}
    for parameter, count in counts(module, heads).items():
        inside = parameter.startswith(attention) and parameter not in mlp
        belongs = inside and parameter.removeprefix(attention) not in shared
        assert (count == int(belongs)).all(), parameter
    sizes = {sum(piece.of(module.get_parameter(piece.name)).numel() for piece in h) for h in heads}
    assert len(sizes) == 1


def test_heads_that_share_keys_share_these_rows() -> None:
    module = llama_like("Llama", 2)
    heads = [select(part("head", layer=0, head=head), module) for head in range(HEADS)]
    found = counts(module, heads)
    expected = {"q_proj": 1, "o_proj": 1, "k_proj": 2, "v_proj": 2}
    for name, times in expected.items():
        assert (found[f"model.layers.0.self_attn.{name}.weight"] == times).all()
    assert heads[0][1:3] == heads[1][1:3] != heads[2][1:3]


@pytest.mark.parametrize("stacked", [False, True])
def test_a_head_moves_its_own_output_alone(stacked: bool) -> None:
    """With the output map of the others' columns at hand, only this head's part changes."""
    torch.manual_seed(0)
    module = Lens(stacked).double()
    x = torch.randn(2, 5, WIDTH, dtype=torch.float64)
    layer = 1 if stacked else None
    component = part("head", layer=layer or 0, head=2)
    with torch.no_grad():
        rest = module(x, layer)
        for piece in select(component, module):
            piece.of(module.get_parameter(piece.name)).zero_()
        silent = module(x, layer)
        for piece in select(component, module):
            piece.of(module.get_parameter(piece.name)).normal_()
        other = module(x, layer)
        contribution = [one - silent for one in (rest, other)]
        # Zeroing it is the whole of its contribution: another head's does not change with it.
        neighbour = select(part("head", layer=layer or 0, head=1), module)
        for piece in neighbour:
            piece.of(module.get_parameter(piece.name)).zero_()
        alone = module(x, layer)
        for piece in select(component, module):
            piece.of(module.get_parameter(piece.name)).zero_()
        assert torch.allclose(alone - module(x, layer), contribution[1])
    assert not torch.allclose(*contribution)


def head_outputs(module: nn.Module, path: str, tokens: Tensor) -> Tensor:
    """Return what goes into the output map of a layer, (rows, positions, heads, width)."""
    seen: list[Tensor] = []
    hook = module.get_submodule(path).register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    with torch.no_grad():
        module(tokens)
    hook.remove()
    return seen[0].unflatten(-1, (HEADS, -1))


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (gpt2, "transformer.h.1.attn.c_proj"),
        (lambda: llama_like("Qwen2", HEADS), "model.layers.1.self_attn.o_proj"),
        (neox, "gpt_neox.layers.1.attention.dense"),
    ],
)
def test_the_slices_are_the_heads_of_the_running_network(
    build: Callable[[], nn.Module], path: str
) -> None:
    torch.manual_seed(0)
    module = build().eval()
    tokens = torch.randint(WORDS, (2, 6))
    before = head_outputs(module, path, tokens)
    for piece in select(part("head", layer=1, head=2), module):
        if not piece.name.startswith(path):
            piece.of(module.get_parameter(piece.name).data).normal_()
    changed = (head_outputs(module, path, tokens) - before).abs().amax(dim=(0, 1, 3))
    assert changed[2] > 1e-3
    assert (changed[[0, 1, 3]] == 0).all()


def names_of(component: Component, module: nn.Module) -> list[str]:
    return [piece.name for piece in select(component, module)]


def test_other_parts() -> None:
    module = gpt2()
    assert names_of(part("embedding"), module) == ["transformer.wte.weight"]
    assert names_of(part("unembedding"), module) == ["transformer.wte.weight"]  # they are tied
    assert len(names_of(part("mlp", layer=0), module)) == 4
    module = neox()
    assert names_of(part("embedding"), module) == ["gpt_neox.embed_in.weight"]
    lens = LensModel()
    assert names_of(part("embedding"), lens) == ["embed.W_E"]
    assert names_of(part("unembedding"), lens) == ["unembed.W_U", "unembed.b_U"]
    assert names_of(part("mlp", layer=1), lens)[0] == "blocks.1.mlp.0.weight"
    assert len(names_of(part("mlp", layer=1), Plain(("qkv",), "proj"))) == 4
    assert names_of(ParameterGlob(SOURCE, "layers.0.*.weight"), Plain(("qkv",), "o")) == [
        f"layers.0.{name}.weight" for name in ("qkv", "o", "mlp_in", "mlp_out")
    ]


def without_heads() -> nn.Module:
    module = Plain(("qkv",), "proj")
    for layer in module.layers:
        del layer.num_heads
    return module


def frozen() -> nn.Module:
    return Plain(("qkv",), "proj").requires_grad_(False)


MISTAKES = [
    (ParameterGlob(SOURCE, "layer.0.*"), lambda: Plain(("qkv",), "proj"), "PAT4061", "layers.0.*"),
    (ParameterGlob(SOURCE, "qkv"), lambda: Plain(("qkv",), "proj"), "PAT4061", "*qkv*"),
    (ParameterGlob(SOURCE, "zzzzzz"), lambda: Plain(("qkv",), "o"), "PAT4061", "layers.0.qkv.we"),
    (part("head", layer=0, head=0), lambda: nn.Linear(2, 2), "PAT4062", 'component(lm, "weight")'),
    (part("mlp", layer=0), lambda: Lens(stacked=False), "PAT4062", "component("),
    (part("head", layer=2, head=0), lambda: Plain(("qkv",), "proj"), "PAT4063", "last is 1"),
    (part("head", layer=1, head=4), lambda: Plain(("qkv",), "proj"), "PAT4063", "last is 3"),
    (part("head", layer=0, head=0), without_heads, "PAT4064", "num_heads"),
    (ParameterGlob(SOURCE, "*"), frozen, "PAT4065", "requires_grad"),
]


@pytest.mark.parametrize(("component", "build", "code", "help_"), MISTAKES)
def test_mistakes(
    component: Component, build: Callable[[], nn.Module], code: str, help_: str
) -> None:
    with pytest.raises(PatternError) as caught:
        select(component, build())
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert help_ in (found.help or "")


def test_a_restricted_network_moves_its_component_alone() -> None:
    """Its gradient is that part of the whole gradient, and the whole network stays as it was."""
    torch.manual_seed(0)
    module = Lens(stacked=False).double()
    network = flatten(module, lambda batch: module(batch["x"]).square().sum(dim=(1, 2)))
    batch = {"x": torch.randn(3, 5, WIDTH, dtype=torch.float64)}
    network.gradient(batch)
    whole = {name: p.grad.clone() for name, p in module.named_parameters()}  # type: ignore[union-attr]
    selection = (
        *select(part("head", layer=0, head=1), module),
        *select(ParameterGlob(SOURCE, "b_O"), module),
    )
    small = restricted(network, selection)
    assert len(small.theta) == 3 * (WIDTH + 1) * 6 + 6 * WIDTH + WIDTH
    small.gradient(batch)
    expected = torch.cat([piece.of(whole[piece.name]).reshape(-1) for piece in selection])
    assert torch.allclose(small.grad, expected)
    still = {name for name, p in module.named_parameters() if not p.requires_grad}
    assert still == set()  # every tensor here has a block of head 1
    small.theta.add_(1.0)
    moved = small.unit_loss(batch).detach()
    held = network.unit_loss(batch).detach()
    assert not torch.allclose(moved, held)
    assert torch.equal(network.theta, network.anchor)
    assert torch.equal(small.unit_loss(batch).detach(), moved)
    small.reset()
    assert torch.allclose(small.unit_loss(batch).detach(), held)
    lone = restricted(network, select(ParameterGlob(SOURCE, "W_Q"), module))
    lone.gradient(batch)
    moving = [name for name, p in module.named_parameters() if p.requires_grad]
    assert moving == ["W_Q"]
    assert torch.allclose(lone.grad, whole["W_Q"].reshape(-1))
