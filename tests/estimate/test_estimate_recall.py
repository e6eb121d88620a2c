"""What frozen parameters decide is kept between passes: the same bits, and off where it is unsafe."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel

from pattern_lang.estimate.evaluate import Rows, evaluator
from pattern_lang.estimate.huggingface.causal_lm import NextTokenLoss
from pattern_lang.estimate.minibatches import Minibatches
from pattern_lang.estimate.network import Network, flatten, restricted
from pattern_lang.estimate.recall import Memory, Room
from pattern_lang.estimate.selection import Piece, whole
from pattern_lang.losses import next_token_losses

ROWS, LENGTH, WORDS, WIDTH = 33, 12, 40, 16
Batch = dict[str, Tensor]


class Base(nn.Module):
    """Three layers; what a subclass makes of the states is told by `middle`."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.first, self.moving = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH, WORDS)

    def middle(self, x: Tensor) -> Tensor:
        """Return the states that the moving layer reads."""
        return self.first(x)

    def unit_loss(self, batch: Batch) -> Tensor:
        """Return the loss of each row."""
        ids = batch["input_ids"]
        x = self.middle(self.tokens(ids) + self.places.weight[: ids.shape[1]])
        logits = self.last(torch.tanh(self.moving(x)) + x)[:, :-1]
        return functional.cross_entropy(logits.mT, ids[:, 1:], reduction="none").mean(1)


class Attention(Base):
    """Attention by products of its own, and losses from hidden states."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.moving = (nn.Linear(WIDTH, 3 * WIDTH) for _ in range(2))
        self.norm, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)

    def attend(self, x: Tensor, qkv: nn.Linear) -> Tensor:
        """Return the states after attention."""
        shape = (*x.shape[:2], 3, 2, WIDTH // 2)
        q, k, v = qkv(self.norm(x)).view(shape).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + self.out(found.transpose(1, 2).reshape(x.shape))

    def unit_loss(self, batch: Batch) -> Tensor:
        """Return the loss of each position."""
        ids = batch["input_ids"]
        x = self.attend(self.tokens(ids) + self.places.weight, self.qkv)
        return next_token_losses(self.attend(x, self.moving), self.last.weight, ids)


class Shared(Base):
    """A module of two names, called four times."""

    def __init__(self) -> None:
        super().__init__()
        self.again = self.first

    def middle(self, x: Tensor) -> Tensor:
        """Call one module again and again."""
        x = self.first(x)
        x = x + self.again(x)
        return self.first(torch.relu(self.first(x)))


class Cached(Base):
    """Keeps a table from its first call, and its last states."""

    table: Tensor | None = None
    states: Tensor | None = None

    def middle(self, x: Tensor) -> Tensor:
        """Add the table."""
        if self.table is None:
            self.table = torch.arange(LENGTH, dtype=x.dtype)[:, None]
        self.states = self.first(x + self.table)
        return self.first(self.states)


class Hooked(Base):
    """A hook that counts, and changes what its module returns."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.first.register_forward_hook(self.hook)

    def hook(self, module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        """Count, and scale."""
        self.calls += 1
        return output * 1.5


class Product(torch.autograd.Function):
    """A product that keeps its factors for the backward pass, where nothing sees them read."""

    @staticmethod
    def forward(ctx: object, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)  # type: ignore[attr-defined]
        return x * w

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad * w, (grad * x).sum((0, 1))


class Custom(Base):
    """A function with a backward pass of its own reads what is frozen, and what moves."""

    def middle(self, x: Tensor) -> Tensor:
        """Scale by a moving bias."""
        x = self.first(self.first(x))
        found: Tensor = Product.apply(x, self.moving.bias + 1)  # type: ignore[no-untyped-call]
        return found


class Scripted(Base):
    """A part that is compiled, and whose calls nothing sees."""

    def __init__(self) -> None:
        super().__init__()
        self.part = torch.jit.trace(lambda x: functional.gelu(2 * x), torch.zeros(1, 2))  # type: ignore[no-untyped-call]

    def middle(self, x: Tensor) -> Tensor:
        """Go through the part."""
        states: Tensor = self.part(self.first(self.first(x)))
        return states


class Choosing(Base):
    """Goes another way by what the data are."""

    def middle(self, x: Tensor) -> Tensor:
        """Treat some positions otherwise."""
        x = self.first(x)
        chosen = (x.sum(2) > 0).nonzero()
        if len(chosen) % 2:
            x = x * 2
        return x.index_put((chosen[:, 0], chosen[:, 1]), self.first(x[chosen[:, 0], chosen[:, 1]]))


class InPlace(Base):
    """Changes in place what frozen layers gave."""

    def middle(self, x: Tensor) -> Tensor:
        """Change it by methods, by an index and past autograd."""
        x = self.first(x).relu_()
        x[..., 0] *= 2
        x.data.add_(1)
        return x + self.first(x)


class Dropping(Base):
    """Dropout that is always active."""

    def middle(self, x: Tensor) -> Tensor:
        """Drop."""
        return functional.dropout(self.first(x), 0.5, training=True)


class Counting(Base):
    """A buffer that counts the calls, and decides what the network computes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def middle(self, x: Tensor) -> Tensor:
        """Count."""
        self.count += 1
        return self.first(x) * self.count


class Together(Base):
    """Rows that depend on each other."""

    def middle(self, x: Tensor) -> Tensor:
        """Take the mean of the batch off."""
        x = self.first(x)
        return x - x.mean(0)


class Encoder(Base):
    """Torch's own encoder, which goes a faster way where nothing watches its calls."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 32, 0.1, batch_first=True)
        self.first = nn.TransformerEncoder(layer, 2)  # type: ignore[assignment]


class Rotated(Base):
    """Attention whose projections are apart, with positions turned into its queries and keys."""

    def __init__(self) -> None:
        super().__init__()
        self.moving = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))  # type: ignore[assignment]
        angles = torch.arange(LENGTH)[:, None] / torch.tensor([1.0, 3.0])
        self.register_buffer("turn", torch.cat([angles, angles], 1))

    def turned(self, x: Tensor) -> Tensor:
        """Turn pairs of numbers by their place."""
        one, two = x.chunk(2, dim=-1)
        return x * self.turn.cos() + torch.cat([-two, one], -1) * self.turn.sin()

    def middle(self, x: Tensor) -> Tensor:
        """Attend, with a mask, after a frozen layer."""
        x = self.first(x)
        q, k, v = (p(x).unflatten(2, (4, 4)).transpose(1, 2) for p in self.moving)
        mask = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
        found = functional.scaled_dot_product_attention(self.turned(q), self.turned(k), v, mask)
        return found.transpose(1, 2).flatten(2)

    def unit_loss(self, batch: Batch) -> Tensor:
        """Return the loss of each row."""
        ids = batch["input_ids"]
        logits = self.last(self.middle(self.tokens(ids)))[:, :-1]
        return functional.cross_entropy(logits.mT, ids[:, 1:], reduction="none").mean(1)


class Scaled(Attention):
    """Attention whose queries, keys and values are changed in place by something that moves."""

    def attend(self, x: Tensor, qkv: nn.Linear) -> Tensor:
        """Return the states after attention."""
        shape = (*x.shape[:2], 3, 2, WIDTH // 2)
        q, k, v = qkv(self.norm(x)).view(shape).permute(2, 0, 3, 1, 4)
        q = q.clone()
        q.mul_(1 + self.moving.bias[WIDTH // 2])
        found = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + self.out(found.transpose(1, 2).reshape(x.shape))


def own(kind: type[Base]) -> Callable[[], tuple[nn.Module, object, str]]:
    """Return a maker of a network, its loss, and what moves."""

    def make() -> tuple[nn.Module, object, str]:
        module = kind()
        return module, module.unit_loss, "moving."

    return make


def gpt2() -> tuple[nn.Module, object, str]:
    """Return a network of transformers, of which the last MLP moves."""
    sizes = {"n_positions": LENGTH, "n_embd": WIDTH, "n_layer": 3, "n_head": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    module = GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, **sizes, **ends))
    return module, NextTokenLoss(module), "h.2.mlp."


# Kept at the draws, kept for gradient steps.
CASES = {
    "attention": (own(Attention), True, True),
    "gpt2": (gpt2, True, True),
    "shared": (own(Shared), True, True),
    "cached": (own(Cached), True, True),
    "hooked": (own(Hooked), True, True),
    "custom": (own(Custom), True, True),
    "scripted": (own(Scripted), False, False),
    "choosing": (own(Choosing), True, False),
    "in place": (own(InPlace), False, False),
    "dropping": (own(Dropping), False, False),
    "together": (own(Together), True, False),
    "encoder": (own(Encoder), False, None),
}


def world(make: Callable[[], tuple[nn.Module, object, str]]) -> tuple[Network, Rows]:
    """Return a restricted network, and rows in four chunks."""
    torch.manual_seed(0)
    module, loss, moves = make()
    network = flatten(module, loss)  # type: ignore[arg-type]
    ids = torch.randint(0, WORDS, (ROWS, LENGTH))
    with torch.no_grad():
        found = network.unit_loss({"input_ids": ids[:2]})
    present = None
    if found.ndim == 2:
        present = torch.ones(ROWS, LENGTH, dtype=torch.bool)
        present[:, -1] = False
    names = [name for name, _ in module.named_parameters() if moves in name]
    rows = Rows(({"input_ids": ids},), (10,), (present,), None, ROWS)
    return restricted(network, whole(*names)), rows


def states(network: Network, kind: str) -> set[str]:
    memories = network.seat.room.memories
    return {memory.state for key, memory in memories.items() if key[0] == kind}


@pytest.mark.parametrize("name", CASES)
def test_draws_and_steps_have_the_same_bits(name: str) -> None:
    make, at_draws, at_steps = CASES[name]
    network, rows = world(make)
    plain, kept = evaluator(network, rows), evaluator(network, rows, often=True)
    one, two = (torch.zeros(rows.width, dtype=torch.float64) for _ in range(2))
    batches = Minibatches(rows, 8, torch.Generator().manual_seed(0))
    memory = batches.memory(network)
    for _ in range(5):
        network.theta.add_(torch.randn_like(network.theta), alpha=0.05)
        random = torch.get_rng_state()
        plain(one, torch.zeros_like(one))
        torch.set_rng_state(random)
        kept(two, torch.zeros_like(two))
        assert torch.equal(one, two)
        batch, random = next(batches), torch.get_rng_state()
        losses, gradient = network.gradient(dict(batch)), network.grad.clone()
        torch.set_rng_state(random)
        assert torch.equal(losses.nan_to_num(), network.gradient(batch, memory).nan_to_num())
        assert torch.equal(gradient, network.grad)
    assert states(network, "chunk") == {"on" if at_draws else "off"}
    assert at_steps is None or states(network, "rows") == {"on" if at_steps else "off"}


def head_of(name: str, width: int, heads: int, head: int, fused: int = 3) -> list[Piece]:
    """Return the rows of a head in the weight and the bias of a projection."""
    starts = [part * heads * width + head * width for part in range(fused)]
    ends = ("weight", "bias")
    return [Piece(f"{name}.{end}", ((0, at, at + width),)) for at in starts for end in ends]


def last_head(kind: type[Base]) -> Callable[[], tuple[nn.Module, object, list[Piece]]]:
    """Return a maker of a network, its loss, and the second of two heads."""

    def make() -> tuple[nn.Module, object, list[Piece]]:
        module = kind()
        return module, module.unit_loss, head_of("moving", WIDTH // 2, 2, 1)

    return make


def rotated_head() -> tuple[nn.Module, object, list[Piece]]:
    """Return a network with projections apart, and its third head."""
    pieces = [p for part in range(3) for p in head_of(f"moving.{part}", 4, 4, 2, fused=1)]
    return (module := Rotated()), module.unit_loss, pieces


def gpt2_head() -> tuple[nn.Module, object, list[Piece]]:
    """Return a network of transformers, and the first head of its second layer."""
    module, loss, _ = gpt2()
    starts, name = (0, WIDTH, 2 * WIDTH), "transformer.h.1.attn.c_attn"
    half = WIDTH // 2
    pieces = [Piece(f"{name}.weight", ((1, at, at + half),)) for at in starts]
    return module, loss, [*pieces, *(Piece(f"{name}.bias", ((0, at, at + half),)) for at in starts)]


# Which of the heads are computed.
HEADS = {
    "fused": (last_head(Attention), [(1, 1)]),
    "apart": (rotated_head, [(2, 1)]),
    "gpt2": (gpt2_head, [(0, 1)]),
    "changed in place": (last_head(Scaled), []),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_that_move_alone_give_the_same_bits(name: str) -> None:
    make, heads = HEADS[name]
    torch.manual_seed(0)
    module, loss, pieces = make()
    network = flatten(module, loss)  # type: ignore[arg-type]
    ids = torch.randint(0, WORDS, (ROWS, LENGTH))
    with torch.no_grad():
        per_row = network.unit_loss({"input_ids": ids[:2]}).ndim == 1
    present = None if per_row else (torch.arange(LENGTH) < LENGTH - 1).expand(ROWS, -1)
    rows = Rows(({"input_ids": ids},), (10,), (present,), None, ROWS)
    own_part = restricted(network, tuple(pieces))
    plain, kept = evaluator(own_part, rows), evaluator(own_part, rows, often=True)
    one, two = (torch.zeros(rows.width, dtype=torch.float64) for _ in range(2))
    batches = Minibatches(rows, 8, torch.Generator().manual_seed(0))
    memory = batches.memory(own_part)
    assert memory is not None
    for _ in range(4):
        own_part.theta.add_(torch.randn_like(own_part.theta), alpha=0.2)
        plain(one, torch.zeros_like(one))
        kept(two, torch.zeros_like(two))
        assert torch.equal(one, two)
        batch = next(batches)
        losses, gradient = own_part.gradient(dict(batch)), own_part.grad.clone()
        assert torch.equal(losses.nan_to_num(), own_part.gradient(batch, memory).nan_to_num())
        assert torch.equal(gradient, own_part.grad)
    assert [span for _, span in memory.heads.values()] == heads


def test_another_head_of_the_layer_goes_on_from_what_is_kept() -> None:
    torch.manual_seed(0)
    network = flatten(module := Attention(), module.unit_loss)
    ids = torch.randint(0, WORDS, (ROWS, LENGTH))
    present = (torch.arange(LENGTH) < LENGTH - 1).expand(ROWS, -1)
    rows = Rows(({"input_ids": ids},), (ROWS,), (present,), None, ROWS)
    one, two = (torch.zeros(rows.width, dtype=torch.float64) for _ in range(2))
    for head in (0, 1, 0):
        own_part = restricted(network, tuple(head_of("moving", WIDTH // 2, 2, head)))
        kept, plain = evaluator(own_part, rows, often=True), evaluator(own_part, rows)
        own_part.reset()
        own_part.theta.add_(torch.randn_like(own_part.theta), alpha=0.2)
        kept(one, torch.zeros_like(one))
        plain(two, torch.zeros_like(two))
        assert torch.equal(one, two)
        (memory,) = network.seat.room.memories.values()
        assert [span for _, span in memory.heads.values()] == [(head, 1)]


def test_nothing_is_kept_of_a_network_that_counts() -> None:
    network, rows = world(own(Counting))
    kept = evaluator(network, rows, often=True)
    for _ in range(3):
        kept(torch.zeros(ROWS, dtype=torch.float64), torch.zeros(ROWS, dtype=torch.float64))
    assert states(network, "chunk") == {"off"}


def test_a_hook_is_called_at_every_pass() -> None:
    network, rows = world(own(Hooked))
    module: Hooked = network.module  # type: ignore[assignment]
    kept, out = evaluator(network, rows, often=True), torch.zeros(ROWS, dtype=torch.float64)
    kept(out, torch.zeros_like(out))
    before = module.calls
    kept(out, torch.zeros_like(out))
    assert module.calls == before + 4  # one for each chunk


def test_a_frozen_layer_is_not_computed_again() -> None:
    network, rows = world(own(Attention))
    made = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        made.append(type(output).__name__)

    network.module.qkv.register_forward_hook(note)  # type: ignore[union-attr]
    kept, out = evaluator(network, rows, often=True), torch.zeros(rows.width, dtype=torch.float64)
    for _ in range(2):
        kept(out, torch.zeros_like(out))
    assert made[-4:] == ["Stand"] * 4


def test_heads_of_a_layer_share_what_is_kept_and_other_layers_take_its_place() -> None:
    torch.manual_seed(0)
    network = flatten(module := Attention(), module.unit_loss)
    ids = torch.randint(0, WORDS, (ROWS, LENGTH))
    rows = Rows(({"input_ids": ids},), (ROWS,), (torch.ones(ROWS, LENGTH) > 0,), None, ROWS)
    found: list[list[Memory]] = []
    for name, start in (("moving.weight", 0), ("moving.weight", 8), ("out.weight", 0)):
        own_part = restricted(network, (Piece(name, ((0, start, start + 8),)),))
        evaluate = evaluator(own_part, rows, often=True)
        evaluate(*(torch.zeros(rows.width, dtype=torch.float64) for _ in range(2)))
        found.append(list(network.seat.room.memories.values()))
    assert found[0] == found[1]
    assert not set(map(id, found[1])) & set(map(id, found[2]))


def test_what_does_not_fit_is_not_kept() -> None:
    network, rows = world(own(Attention))
    room: Room = network.seat.room
    room.moving, room.bytes_left = network.moving, 100
    kept, out = evaluator(network, rows, often=True), torch.zeros(rows.width, dtype=torch.float64)
    kept(out, torch.zeros_like(out))
    assert states(network, "chunk") == {"off"}
    assert room.bytes_left == 100


def test_all_parameters_need_no_memory() -> None:
    network = flatten(module := Base(), module.unit_loss)
    ids = torch.randint(0, WORDS, (ROWS, LENGTH))
    rows = Rows(({"input_ids": ids},), (ROWS,), (None,), None, ROWS)
    assert Minibatches(rows, 8, torch.Generator()).memory(network) is None
