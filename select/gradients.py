"""Gradients of single examples with respect to low-rank adapters of a causal model, and their random projections.

What LESS compares (Xia et al. 2024, arXiv 2402.04333, sections 3 and 4): a short training run of the adapters keeps, after each
epoch, the weights and Adam's moments; a training example counts as the step that Adam would make for it alone, an example of the
target as its plain gradient. One thread computes on the CPU, each example alone: no example changes another's gradient.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.errors import CurateError, MissingAsset
from curate.steps.causal_model import Window

Vector = npt.NDArray[np.float32]
BETAS, EPSILON = (0.9, 0.999), 1e-8
# Share of the steps in which the rate rises; then it falls to 0.
RISE = 0.03


@dataclass(frozen=True)
class Example:
    """What the loss of one document is of: windows of ids, each with the place of its first token that is predicted."""

    windows: tuple[Window, ...]

    @property
    def predicted(self) -> int:
        """Tokens that the loss is the mean of."""
        return sum(len(window.ids) - window.first for window in self.windows)


@dataclass(frozen=True)
class Snapshot:
    """The adapters after an epoch: `weights`, Adam's `first` and `second` moments, (p,) float32; `rate`: the epoch's mean."""

    weights: Vector
    first: Vector
    second: Vector
    rate: float


def adam_direction(gradients: Vector, snapshot: Snapshot) -> Vector:
    """(k, p) gradients -> the steps that Adam would make of each, as the authors' code has them: epsilon inside of the root,
    no correction of the bias."""
    b1, b2 = BETAS
    first = b1 * snapshot.first + (1 - b1) * gradients
    second = b2 * snapshot.second + (1 - b2) * gradients**2
    return np.asarray(first / np.sqrt(second + EPSILON), np.float32)


def unit_rows(features: Vector) -> Vector:
    """(k, d) divided by the length of each row; a row of zeros stays one."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(lengths > 0, lengths, 1), np.float32)


def project(vectors: Vector, dimensions: int, seed: int) -> Vector:
    """(k, p) -> (k, `dimensions`) whose products are those of the vectors on the mean; as they are where that is no less.

    Each coordinate, its sign drawn at random, is added to one place, and as many to each: a count sketch (Charikar et al. 2002).
    Its error is that of the authors' dense random signs, |x||y| / sqrt(dimensions), for p and not p x `dimensions` sums.
    """
    size = vectors.shape[1]
    if dimensions >= size:
        return vectors
    generator = np.random.default_rng([seed, size])
    order = generator.permutation(size)
    signs = np.where(generator.integers(0, 2, size), np.float32(1), np.float32(-1))
    made = np.zeros((len(vectors), dimensions), np.float32)
    for start in range(0, size, dimensions):
        own = order[start : start + dimensions]
        made[:, : len(own)] += vectors[:, own] * signs[own]
    return made


class Adapted:
    """A causal model with low-rank adapters, whose weights alone are trained and have gradients."""

    def __init__(
        self,
        model: Any,
        *,
        rank: int,
        alpha: int,
        targets: list[str] | str,
        device: str,
        seed: int,
        last_layers: int | None = None,
    ) -> None:
        """`last_layers`: how many of the last layers have adapters, all if None; gradients go no deeper than these.

        Raises MissingAsset without peft, CurateError where the model has no layer of these names.
        """
        try:
            import peft
            import torch
        except ImportError as error:
            raise MissingAsset("less", f"needs the package {error.name}", "pip install 'curate[train]'") from error
        torch.manual_seed(seed)
        count = int(model.config.num_hidden_layers)
        layers = None if last_layers is None else list(range(max(0, count - last_layers), count))
        config = peft.LoraConfig(
            r=rank,
            lora_alpha=alpha,
            lora_dropout=0.0,
            target_modules=targets,
            layers_to_transform=layers,
            task_type="CAUSAL_LM",
        )
        try:
            self._model: Any = peft.get_peft_model(model, config)
        except ValueError as error:
            raise CurateError("less", f"no adapter fits: {error}", "name layers of the model in `adapted`") from error
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._model.to(self._device).eval()
        self._weights = [weight for weight in self._model.parameters() if weight.requires_grad]

    @property
    def size(self) -> int:
        """How many weights are trained."""
        return sum(weight.numel() for weight in self._weights)

    def warm_up(
        self, examples: Sequence[Example], *, epochs: int, batch: int, rate: float, seed: int
    ) -> list[Snapshot]:
        """Train on the examples, in a random order each epoch; a snapshot after each."""
        import torch

        optimizer = torch.optim.AdamW(self._weights, lr=rate, betas=BETAS, eps=EPSILON, weight_decay=0.0)
        steps_an_epoch = -(-len(examples) // batch)
        found: list[Snapshot] = []
        with _one_thread():
            for epoch in range(epochs):
                order = np.random.default_rng([seed, epoch]).permutation(len(examples))
                rates = []
                for number in range(steps_an_epoch):
                    own = order[number * batch : (number + 1) * batch]
                    step, steps = epoch * steps_an_epoch + number, epochs * steps_an_epoch
                    rates.append(rate * _share(step, steps))
                    for group in optimizer.param_groups:
                        group["lr"] = rates[-1]
                    optimizer.zero_grad()
                    for place in own:
                        (self._loss(examples[place]) / len(own)).backward()
                    optimizer.step()
                moments = [optimizer.state[weight] for weight in self._weights]
                first, second = (_flat([state[name] for state in moments]) for name in ("exp_avg", "exp_avg_sq"))
                found.append(Snapshot(_flat(self._weights), first, second, float(np.mean(rates))))
        return found

    def load(self, snapshot: Snapshot) -> None:
        """Take the weights of a snapshot."""
        import torch

        start = 0
        with torch.no_grad():
            for weight in self._weights:
                part = snapshot.weights[start : start + weight.numel()]
                weight.copy_(torch.from_numpy(part.reshape(weight.shape)))
                start += weight.numel()

    def gradients(self, examples: Sequence[Example]) -> Vector:
        """(k, p) float32: of each example's mean loss, with the weights that are loaded."""
        found = np.empty((len(examples), self.size), np.float32)
        with _one_thread():
            for row, example in enumerate(examples):
                for weight in self._weights:
                    weight.grad = None
                self._loss(example).backward()
                found[row] = _flat([weight.grad for weight in self._weights])
        return found

    def _loss(self, example: Example) -> Any:
        import torch

        total: Any = 0.0
        for window in example.windows:
            ids = torch.from_numpy(window.ids.astype(np.int64)).to(self._device)
            logits = self._model(input_ids=ids[None], use_cache=False).logits[0, window.first - 1 : -1]
            total = total + torch.nn.functional.cross_entropy(logits.float(), ids[window.first :], reduction="sum")
        return total / example.predicted


def _share(step: int, steps: int) -> float:
    """Of the greatest rate: up in the first steps, then down to 0."""
    rising = max(1, round(RISE * steps))
    return (step + 1) / rising if step < rising else (steps - step) / max(1, steps - rising)


def _flat(tensors: Sequence[Any]) -> Vector:
    joined: Vector = np.concatenate([tensor.detach().float().cpu().numpy().ravel() for tensor in tensors])
    return joined


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
