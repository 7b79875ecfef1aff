"""`got_d`: choose what moves the pool towards a target, by the gradient of optimal transport."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from pydantic import Field

from curate.dedup.step import Contributions
from curate.select.compare import Aiming, one_thread
from curate.select.order import Scores
from curate.select.points import sample_points
from curate.select.transport import Transport, calibrated, solve


class GotD(Aiming):
    """The documents with the most negative gradient of the transport distance between pool and target.

    The pool stands for what the model was trained on; chosen is what it has too little of for the target. That is not
    what is nearest to the target: of a kind that the pool has plenty of, little is chosen (see `knn_target` for
    that). Costs are squared distances of vectors of length 1; the plan is solved for a sample of the pool, a few
    sweeps over all documents correct it, and the duals give each document its score, in the unit of the costs:
    minus the calibrated gradient. With `sample` at least the pool it is the full solution. Holds `sample` x
    `target_sample` numbers, 330 MB by default, whatever the pool.

    A target of one document makes it the nearest to that. Duplicates of a good document are all chosen: dedup before.
    `regularisation` is not published for GOT-D; 0.05 is the default of the solver that its authors name.
    """

    kind: ClassVar[str] = "got_d"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Kang et al. 2024 (arXiv 2405.02774); calibration: Just et al. 2023, LAVA"
    RULE_FIELDS: ClassVar[frozenset[str]] = Aiming.RULE_FIELDS | {
        "regularisation", "tolerance", "iterations", "sample", "target_sample", "sweeps", "contrast"
    }  # fmt: skip

    regularisation: float = Field(0.05, gt=0, description="eps over the mean cost")
    tolerance: float = Field(1e-3, gt=0, description="what the plan's marginals may lack, as a share of all mass")
    iterations: int = Field(2000, ge=1, description="the most; an error where they do not reach `tolerance`")
    sample: int = Field(8192, ge=2, description="documents of the pool that the plan is solved for, drawn by `seed`")
    target_sample: int = Field(10_000, ge=1, description="texts of the target that are used, drawn by `seed`")
    sweeps: int = Field(2, ge=0, description="iterations over the whole pool after that, if it is larger")
    contrast: bool = Field(False, description="choose away from the target, which is then what is not wanted")

    def fit(self, pool: Contributions) -> Transport:
        """The plan; holds `sample` x `target_sample` float32."""
        count = self.checked(pool)
        targets = sample_points(self.target_points(pool), self.target_sample, self.seed)
        drawn = sample_points((points for points, _ in self.points(pool)), self.sample, self.seed)
        settings = {"regularisation": self.regularisation, "tolerance": self.tolerance, "iterations": self.iterations}
        with one_thread():
            transport = solve(drawn, targets, **settings)  # type: ignore[arg-type]
            for _ in range(self.sweeps if count > len(drawn) else 0):
                transport = transport.swept(points for points, _ in self.points(pool))
        return transport

    def score(self, state: Transport, pool: Contributions) -> Iterator[Scores]:
        """Minus the calibrated gradient, or the gradient with `contrast`."""
        units: list[Scores] = []
        with one_thread():
            for points, valid in self.points(pool):
                units.append(np.full(len(valid), np.nan))
                units[-1][valid] = state.of(points)
        joined = np.concatenate(units)
        known = ~np.isnan(joined)
        joined[known] = calibrated(joined[known]) * (1 if self.contrast else -1)
        yield from np.split(joined, np.cumsum([len(unit) for unit in units])[:-1])
