"""Held-out loss of any model of this tokenizer, outside of a training run."""

from __future__ import annotations

from typing import Any

from curate.train.ensembles import Ensemble
from curate.train.evaluate import Evaluation
from curate.train.losses import Objective
from curate.train.objectives.cross_entropy import CrossEntropy
from curate.train.parallel import Parallel
from curate.train.settings import TrainSettings
from curate.train.token_set import TokenSet

ROWS = 8


class HeldOut:
    """A set that models are measured on, on `device`, in `dtype`: words of TrainSettings."""

    def __init__(
        self, data: TokenSet, *, documents: int = 256, context: int = 512, device: str = "auto", dtype: str = "auto"
    ) -> None:
        self._evaluation = Evaluation(data, documents=documents, context=context, rows=ROWS)
        # only the device and the precision are read
        plain: dict[str, Any] = {"name": "held-out", "data": "", "model": {"preset": "1m"}, "steps": 1, "output": ""}
        plain |= {"device": device, "dtype": dtype}
        self._parallel = Parallel(TrainSettings.model_validate(plain))

    def figures(self, model: Any) -> dict[str, dict[str, float]]:
        """Of a model or an Ensemble: source (and `all`) -> `loss` in nats a token, `tokens`, and where bytes are known
        `bits_per_byte`."""
        moved = model.to(self._parallel.device)
        objective: Any = moved if isinstance(moved, Ensemble) else Objective(moved, CrossEntropy()).eval()
        return self._evaluation.run(objective, objective, self._parallel)

    def loss(self, model: Any) -> float:
        """Of all sources together, in nats a token."""
        found = self.figures(model)
        return found["all" if "all" in found else next(iter(found))]["loss"]
