"""`freeze`: the lower layers, or parameters by name, stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import Field

from curate.errors import ConfigError, Problem
from curate.train.layers import is_embedding, layer_of, layers_in
from curate.train.policies.policy import Policy


class Freeze(Policy):
    """What is named stays: the embeddings and the first `below` layers, patterns in `names`, all but those in `only`.

    It saves time (nothing is computed backwards below the lowest layer that is trained), and does little against
    forgetting. `only` with one matrix is how one edits a fact (LocFT-BF).
    """

    kind: ClassVar[str] = "freeze"
    source: ClassVar[str] = "Telly (Shi et al. 2023, arXiv 2304.05216); LocFT-BF (arXiv 2509.22072)"

    below: int = Field(0, ge=0, description="the embeddings and the first so many layers")
    names: tuple[str, ...] = Field((), description="patterns such as `*.mlp.*`")
    only: tuple[str, ...] = Field((), description="train these alone, such as `*.6.mlp.down_proj.*`")

    def shares(self, names: Sequence[str]) -> dict[str, float]:
        """0 for what stays."""
        layers = layers_in(names)
        problems = []
        if self.below and self.below >= layers:
            problems.append(Problem("train_only.below", f"the model has {layers} layers", "name fewer"))
        for key in ("names", "only"):
            for pattern in getattr(self, key):
                if not any(fnmatchcase(name, pattern) for name in names):
                    hint = "patterns as of file names: `*.mlp.*`; a name is " + names[len(names) // 2]
                    problems.append(Problem(f"train_only.{key}", f"no parameter is called `{pattern}`", hint))
        found = {name: 0.0 if self._stays(name) else 1.0 for name in names}
        if not problems and not any(found.values()):
            problems.append(Problem("train_only", "nothing is left to train", "freeze less"))
        if problems:
            raise ConfigError(problems)
        return found

    def _stays(self, name: str) -> bool:
        if self.only and not any(fnmatchcase(name, pattern) for pattern in self.only):
            return True
        layer = layer_of(name)
        low = is_embedding(name) if layer is None else layer < self.below
        return (self.below > 0 and low) or any(fnmatchcase(name, pattern) for pattern in self.names)
