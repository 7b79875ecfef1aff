"""A learner without a model: losses that fall as Skill-It assumes they do, to try weights before any training.

One step on mixture p: L_j *= 1 - rate * (A[:, j] @ p), A a graph of which group helps which (arXiv 2307.14430, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curate.select.weights.history import Floats, History
from curate.select.weights.skill_graph import SkillGraph, learn_graph
from curate.select.weights.weighting import Weighting


@dataclass(frozen=True)
class Learner:
    """A planted graph (trained, evaluated), losses at the start, how fast they fall, and the noise of an evaluation.

    `noise` is the standard deviation of a measured loss over the loss; the true losses have none.
    """

    graph: Floats
    start: Floats
    rate: float = 1e-3
    noise: float = 0.0
    seed: int = 0

    def trained(self, losses: Floats, mixture: Floats, steps: int) -> Floats:
        """The true losses after so many steps."""
        fall = np.clip(1 - self.rate * (self.graph.T @ mixture), 0.0, None)
        made: Floats = losses * fall**steps
        return made

    def measured(self, losses: Floats, *address: int) -> Floats:
        """The losses as an evaluation shows them; the address (a step, a run) makes its noise its own."""
        noise = np.random.default_rng([self.seed, *address]).standard_normal(len(losses))
        made: Floats = losses * (1 + self.noise * noise)
        return made

    def run(self, weighting: Weighting, steps: int, history: History | None = None) -> tuple[Floats, History]:
        """(true losses after a run of so many steps, its history)."""
        losses, held, step = np.array(self.start, np.float64), history or History(), 0
        while step < steps:
            seen = self.measured(losses, 0, step) if weighting.reads_losses(step) else None
            mixture = weighting.weights(step, seen, held)
            if seen is not None:
                held.evaluated(step, seen)
            held.updated(step, mixture)
            following = min(weighting.next_step(step) or steps, steps)
            losses = self.trained(losses, mixture, following - step)
            step = following
        return losses, held

    def learned_graph(self, groups: Sequence[str], steps: int) -> SkillGraph:
        """The graph that the linear learner finds in short runs of this learner, relative and with its noise."""
        before = self.measured(np.array(self.start, np.float64), 1)

        def after(mixture: Floats) -> Floats:
            return self.measured(self.trained(self.start, mixture, steps), 2, int(np.argmax(mixture)))

        return learn_graph(groups, groups, before, after, relative=True)
