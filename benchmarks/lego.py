"""Skill-It's LEGO experiment in small: mixtures at equal steps, accuracy of the answers, mean and spread over seeds.

    python -m benchmarks.lego [--quick] [--seeds 0,1,2] [--steps 400] [--only METHOD,...] [--output out/lego]

Chains of 3 variables of 8 letters (the paper: 5 of 26), batches of 64 (32), AdamW at 1e-3; a prompt's token counts 0.005 of an
answer (0.1 of its loss in the mean). The paper starts from GPT-Neo 125M; here all runs start from one Llama of 4 layers and
width 64 that learned to copy clauses (`Output: b = not y,`), which is an answer for the root alone. `random` is 1:3:5, the shape
of the paper's baseline. The last line is Skill-It's accuracy over that of `stratified`.
"""

from __future__ import annotations

import numpy as np

from benchmarks.skill_lab import Experiment, arguments, reproduce
from curate.skill_sets.lego import Lego

LEGO = Lego(variables=3, letters=8)


def _words(text: str) -> list[str]:
    return text.replace(",", " ,").replace(". ", " . ").split()


def copied(rng: np.random.Generator) -> tuple[list[str], int]:
    """A chain behind which one of its clauses is copied: no value is worked out."""
    words = _words(LEGO.sample(0, rng).prompt)
    begin = 1 + 5 * int(rng.integers(0, LEGO.variables))
    return [*words[: 5 * LEGO.variables + 1], "Output:", *words[begin : begin + 4]], 2


EXPERIMENT = Experiment(
    generator=LEGO,
    words=("<pad>", "Input:", "Output:", "=", ",", ".", "val", "not", "0", "1", *"abcdefgh"),
    answers=("0", "1"),
    end=",",
    split=_words,
    copied=copied,
    random=(1, 3, 5),
    # from the second skill to its neighbours, as in the paper
    graph=((1.0, 0.0, 0.0), (0.5, 1.0, 0.5), (0.0, 0.0, 1.0)),
    eta=0.5,
    rounds=6,
    shape={
        "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 128,
        # wider than usual: at this width the usual 0.02 costs a third of the run
        "initializer_range": 0.1,
    },
    context=22,
    base_steps=1000,
    trained=6000,
    # after 6,000 steps, 5 seeds
    paper={"random": 62.9, "curriculum": 63.6, "stratified": 98.5, "skill_it": 99.4},
)  # fmt: skip

if __name__ == "__main__":
    reproduce(EXPERIMENT, arguments(__doc__, 400, "out/lego"))
