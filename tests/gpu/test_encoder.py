"""Encoders on a GPU: in bfloat16 the directions of float32 on a CPU; the same text has the same vector in any company."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)
# of torch.compile itself
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

from tiny_bert import saved_bert  # noqa: E402

from curate.select.encoder import Encoder  # noqa: E402

WORDS = [f"word{i}" for i in range(200)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    more = {"hidden_size": 64, "num_hidden_layers": 3, "intermediate_size": 128, "initializer_range": 0.1}
    return saved_bert(tmp_path_factory.mktemp("tiny"), WORDS, **more)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = random.Random(2)
    return [" ".join(rng.choices(WORDS, k=rng.choice([1, 5, 14, 40, 100, 300]))) for _ in range(80)]


@pytest.mark.parametrize("dtype", ["auto", "float32"])
def test_directions_are_those_of_a_cpu(tiny: Path, texts: list[str], dtype: str) -> None:
    own = Encoder(tiny, pooling="mean", window=256, device="cpu").encode(texts)
    found = Encoder(tiny, pooling="mean", window=256, device="cuda", dtype=dtype).encode(texts)
    assert np.vecdot(own, found).min() > (0.9999 if dtype == "float32" else 0.999)


@pytest.mark.parametrize("compiled", [False, True])
def test_company_changes_no_bit(tiny: Path, texts: list[str], compiled: bool) -> None:
    encoder = Encoder(tiny, pooling="mean", window=256, windows=2, device="cuda", compiled=compiled)
    together = encoder.encode(texts)
    order = random.Random(5).sample(range(len(texts)), len(texts))
    assert encoder.encode([texts[i] for i in order]).tobytes() == together[order].tobytes()
    assert all(encoder.encode([texts[i]])[0].tobytes() == together[i].tobytes() for i in range(9))
