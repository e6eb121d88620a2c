"""Chunked cross-entropy of tokens: values, gradients, and what it never holds."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pattern_lang.losses import next_token_losses, token_losses

V, D = 7, 3
CHUNK = 8 * V * 3  # three tokens at a time


def case(*shape: int, bias: bool = True) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    random = torch.Generator().manual_seed(0)
    hidden = torch.randn(*shape, D, generator=random, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(V, D, generator=random, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(V, generator=random, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, V, shape, generator=random)
    targets.reshape(-1)[2] = -100
    return hidden, weight, offset if bias else None, targets


@pytest.mark.parametrize("bias", [True, False])
def test_values(bias: bool) -> None:
    hidden, weight, offset, targets = case(2, 5, bias=bias)
    logits = hidden @ weight.T + (0 if offset is None else offset)
    expected = cross_entropy(logits.reshape(-1, V), targets.reshape(-1), reduction="none")
    found = token_losses(hidden, weight, targets, offset, chunk_bytes=CHUNK)
    assert found.shape == targets.shape
    assert torch.equal(found.isnan(), targets == -100)
    assert torch.allclose(found.nan_to_num(), expected.reshape(2, 5))
    assert torch.equal(found.detach().isnan(), targets == -100)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("equal", [True, False])
def test_gradients(bias: bool, equal: bool) -> None:
    """Shares that are all equal take the pieces made in the forward pass, others make them anew."""
    hidden, weight, offset, targets = case(2, 5, bias=bias)
    inputs = (hidden, weight) if offset is None else (hidden, weight, offset)

    def losses(*given: Tensor) -> Tensor:
        found = token_losses(given[0], given[1], targets, *given[2:], chunk_bytes=CHUNK)
        return found.nansum() if equal else found.nan_to_num()

    assert torch.autograd.gradcheck(losses, inputs)


@pytest.mark.parametrize("moving", [0, 1, 2])
def test_gradient_of_one_input_alone(moving: int) -> None:
    hidden, weight, offset, targets = case(6)
    assert offset is not None
    inputs = [
        item.detach().requires_grad_(i == moving) for i, item in enumerate((hidden, weight, offset))
    ]
    token_losses(inputs[0], inputs[1], targets, inputs[2], chunk_bytes=CHUNK).nansum().backward()
    logits = (hidden @ weight.T + offset).reshape(-1, V)
    whole = cross_entropy(logits, targets.reshape(-1), reduction="sum")
    (expected,) = torch.autograd.grad(whole, (hidden, weight, offset)[moving])
    assert inputs[moving].grad is not None
    assert torch.allclose(inputs[moving].grad, expected)


def test_the_next_token() -> None:
    """Position t predicts token t + 1: the last position, and one before a gap, predict nothing."""
    hidden, weight, _, _ = case(2, 5)
    tokens = torch.tensor([[1, 2, 3, 4, 5], [6, 0, 1, -100, -100]])
    found = next_token_losses(hidden, weight, tokens)
    logits = hidden @ weight.T
    expected = cross_entropy(logits[0, 1], torch.tensor(3))
    assert found[0, 1].item() == pytest.approx(expected.item())
    assert found.isnan().tolist() == [[False] * 4 + [True], [False] * 2 + [True] * 3]


def test_nothing_to_predict() -> None:
    hidden, weight, offset, _ = case(2, 3)
    found = token_losses(hidden, weight, torch.full((2, 3), -100), offset)
    assert found.isnan().all()
    found.nansum().backward()
    assert weight.grad is not None
    assert not weight.grad.any()


def test_extreme_logits() -> None:
    hidden = torch.tensor([[1e4], [-1e4]])
    weight = torch.tensor([[1.0], [-1.0]])
    found = token_losses(hidden, weight, torch.tensor([1, 1]))
    assert found.tolist() == [2e4, 0.0]


def test_no_gradient_pieces_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight, offset, targets = case(2, 5)
    made = []
    monkeypatch.setattr("pattern_lang.estimate.token_losses._add_pieces", lambda *a: made.append(a))
    with torch.no_grad():
        token_losses(hidden, weight, targets, offset)
    assert not made


@pytest.mark.parametrize(
    ("hidden", "weight", "targets", "bias", "text"),
    [
        ((2, 3), (V, 3), (3,), None, "do not fit targets"),
        ((2, 3), (V, 4), (2,), None, "does not fit hidden states"),
        ((2, 3), (V, 3), (2,), (V + 1,), "does not fit a vocabulary"),
    ],
)
def test_shapes_that_do_not_fit(hidden, weight, targets, bias, text) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=text):
        token_losses(
            torch.zeros(hidden),
            torch.zeros(weight),
            torch.zeros(targets, dtype=torch.int64),
            None if bias is None else torch.zeros(bias),
        )


@pytest.mark.parametrize("token", [V, -1])
def test_a_target_outside_the_vocabulary(token: int) -> None:
    with pytest.raises(IndexError, match="outside the vocabulary of 7"):
        token_losses(torch.zeros(1, D), torch.zeros(V, D), torch.tensor([token]))
