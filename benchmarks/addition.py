"""Skill-It's addition experiment in small: mixtures at equal steps, accuracy of the digits, mean and spread over seeds.

    python -m benchmarks.addition [--quick] [--seeds 0,1,2] [--steps 1200] [--only METHOD,...] [--output out/addition]

`A = 1 0 6 + 0 7 1 , A 1 =` asks a digit of a sum of two numbers of three digits; the skills are the ones, the tens and the
hundreds. The paper starts from GPT-Neo 125M and takes 6,000 batches of 32; here all runs start from one Llama of 2 layers and
width 64 that learned to copy the two digits of the asked place (`A 1 : 0 7`), which adds nothing, with batches of 64 and AdamW
at 1e-3. Graph, proportions of `random` (13:14:18), eta and rounds are the paper's. The last line is Skill-It's accuracy over that
of `stratified`.
"""

from __future__ import annotations

import numpy as np

from benchmarks.skill_lab import Experiment, arguments, reproduce
from curate.skill_sets.addition import Addition

ADDITION = Addition()


def copied(rng: np.random.Generator) -> tuple[list[str], int]:
    """Two numbers behind which the digits of one place are copied."""
    place = int(rng.integers(0, ADDITION.digits))
    words = ADDITION.sample(place, rng).prompt.split()
    left, right = words[2 : 2 + ADDITION.digits], words[3 + ADDITION.digits : 3 + 2 * ADDITION.digits]
    return [*words[:-1], ":", left[-1 - place], right[-1 - place]], 2


EXPERIMENT = Experiment(
    generator=ADDITION,
    words=("<pad>", "A", "=", "+", ",", ":", ".", *"0123456789"),
    answers=tuple("0123456789"),
    end=".",
    split=str.split,
    copied=copied,
    random=Addition.RANDOM,
    graph=Addition.GRAPH,
    eta=0.1,
    rounds=5,
    shape={
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 256,
        # twice the usual; with 0.1 nothing is learnt in 1,000 steps
        "initializer_range": 0.04,
    },
    context=17,
    base_steps=600,
    trained=25_000,
    # the paper prints curves alone
    paper={},
)  # fmt: skip

if __name__ == "__main__":
    reproduce(EXPERIMENT, arguments(__doc__, 1200, "out/addition"))
