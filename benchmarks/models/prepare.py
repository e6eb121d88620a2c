"""Data and trained weights of the benchmarks' networks, made once and kept in a folder.

`python benchmarks/models/prepare.py FOLDER`
"""

import json
import random
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import attention
import brackets
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional

ROWS = 512


def prepare(folder: Path) -> None:
    """Make what is missing: `attention` and `brackets`, each .jsonl and .safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data, network, steps, rate in (
        ("attention", text, attention.build, 900, 3e-3),
        ("brackets", bracket_rows, brackets.build, 1500, 2e-3),
    ):
        if not (folder / f"{name}.safetensors").exists():
            torch.manual_seed(0)
            ids = data()
            write_rows(folder / f"{name}.jsonl", ids[:ROWS])
            trained = train(network(), ids, steps, rate)
            save_file(trained.state_dict(), folder / f"{name}.safetensors")


def write_rows(path: Path, ids: Tensor) -> None:
    """Write rows of tokens, one a line."""
    lines = [json.dumps({"input_ids": row, "labels": row}) for row in ids.tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def text() -> Tensor:
    """Return sources of the standard library as tokens, shuffled rows of 128, (rows, 128)."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:200]
    texts = [file.read_text(encoding="utf-8", errors="ignore") for file in files]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=attention.VOCABULARY,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    stream = [token for item in texts for token in [*tokenizer.encode(item).ids, 0]]
    count = len(stream) // attention.LENGTH
    rows = torch.tensor(stream[: count * attention.LENGTH]).view(count, attention.LENGTH)
    return rows[torch.randperm(count)]


def bracket_rows() -> Tensor:
    """Return balanced strings of three kinds of brackets, (4096, 48)."""
    source = random.Random(0)  # noqa: S311
    return torch.tensor([list(bracket_row(source)) for _ in range(4096)])


def bracket_row(source: random.Random) -> Iterator[int]:
    """Yield a beginning, a balanced string, and filling."""
    yield 6
    pairs, opened, stack = source.randint(8, (brackets.LENGTH - 2) // 2), 0, []
    while opened < pairs or stack:
        if opened < pairs and (not stack or source.random() < 0.55):
            stack.append(source.randrange(3))
            opened += 1
            yield stack[-1]
        else:
            yield 3 + stack.pop()
    yield from [7] * (brackets.LENGTH - 1 - 2 * pairs)


def train(network: nn.Module, ids: Tensor, steps: int, rate: float) -> nn.Module:
    """Fit the next token by AdamW, with a rate that warms up and falls to zero."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * min(1, step / 50) * (1 - step / steps)
        batch = ids[torch.randint(len(ids), (8 if ids.shape[1] > 64 else 32,))]
        logits = network(batch)[:, :-1].flatten(0, 1)
        loss = functional.cross_entropy(logits, batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"{type(network).__name__}: loss {loss.item():.3f} after {steps} steps")
    return network


if __name__ == "__main__":
    torch.set_num_threads(1)
    prepare(Path(sys.argv[1]))
