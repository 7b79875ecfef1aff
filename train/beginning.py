"""What a run begins with: its model, the loss around it, and what holds it near the start. From a checkpoint, or anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from curate.files import digest
from curate.steps.causal_model import content_hash, find_model
from curate.train import checkpoint
from curate.train.attention import model_inputs
from curate.train.corda import reload_corda
from curate.train.ewc import Penalty, kept_fisher
from curate.train.frozen import frozen_readers
from curate.train.loader import Loader
from curate.train.losses import Objective
from curate.train.models import make_model, reload_model, with_adapter
from curate.train.objectives.kinds import make_loss
from curate.train.plan import PlanSettings
from curate.train.policies.kinds import apply_policy, make_policy
from curate.train.settings import TrainSettings
from curate.train.token_set import TokenSet

# Rows that show CorDA what the data is like, as many as in its paper.
CORDA_ROWS = 256


def address(*parts: Any) -> int:
    """A seed for what these parts name."""
    return int(digest(list(parts))[:15], 16)


def files_read(settings: TrainSettings) -> dict[str, str]:
    """What the paths of the settings lead to, by setting: hashes of all that a run reads again when it goes on."""
    loss, start = make_loss(settings.loss), settings.model.start
    teachers = [folder for folder in loss.frozen_models() if Path(folder).is_dir()]
    found = {f"loss.teachers: {folder}": content_hash(Path(folder)) for folder in teachers}
    # without these the start is in no step but the first
    if start and (settings.adapter or settings.ewc or loss.reads_start):
        found["model.from"] = content_hash(find_model("model.from", start))
    if settings.ewc:
        found["ewc.data"] = TokenSet.open(settings.ewc.data).hash
    return found


@dataclass(frozen=True)
class Beginning:
    """The settings and the data that decide it. The same run begins the same, however often."""

    settings: TrainSettings
    sets: Sequence[TokenSet]
    vocabulary: int
    device: Any

    def start(self) -> Any:
        """The model as the run begins with it, without adapters."""
        eos = self.sets[0].manifest["tokenizer"].get("eos")
        seed = address(self.settings.seed, "model")
        chosen, context = self.settings.model, self.settings.context
        return make_model(chosen, vocabulary=self.vocabulary, context=context, eos=eos, seed=seed)

    def model(self, plan: PlanSettings, last: Path | None) -> Any:
        """The model as the checkpoint `last` has it, or as it begins; `plan` is that of the data, which CorDA looks at."""
        settings, adapter = self.settings, self.settings.adapter
        if last and not adapter:
            return reload_model(last / "model", False, attention=settings.model.attention)
        model = self.start()
        if not adapter:
            return model
        if last and adapter.kind == "corda":
            return reload_corda(model, last / "model")
        if last:
            return reload_model(last / "model", True, base=model)

        def show(given: Any) -> None:
            shown = Loader(self.sets, replace(plan, rows=1), threads=0)
            with torch.no_grad():
                for _ in range(CORDA_ROWS):
                    given(**model_inputs(given, next(shown).torch(next(given.parameters()).device)))

        return with_adapter(model, adapter, address(settings.seed, "model"), show)

    def objective(self, model: Any, last: Path | None) -> tuple[Objective, dict[str, float]]:
        """(the loss around the model, whose parameters are frozen as the policy says; shares of the learning rate)."""
        settings, loss = self.settings, make_loss(self.settings.loss)
        shares = {} if settings.adapter else apply_policy(make_policy(settings.train_only), model)
        begin = None if settings.adapter else self.start
        frozen = frozen_readers(loss, model, begin, attention=settings.model.attention, device=self.device)
        objective = Objective(model, loss, frozen)
        if last:
            checkpoint.load_own(last, objective)
        return objective, shares

    def penalty(self, model: Any, plan: PlanSettings, output: Path) -> Penalty | None:
        """What holds the model near the start, if it is asked for."""
        settings = self.settings
        if settings.ewc is None:
            return None
        start = self.start().to(self.device)
        apply_policy(make_policy(settings.train_only), start)
        identity = [settings.model.model_dump(mode="json"), settings.train_only, settings.seed, files_read(settings)]
        fisher = kept_fisher(settings.ewc, plan, output, start, identity)
        return Penalty(model, fisher, dict(start.named_parameters()), settings.ewc.weight)
