"""On a GPU: no document sees another, the losses are those of a CPU, a run that was killed is the run that was not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)
# of torch.compile itself
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning"),
]

from token_sets import make_set, random_lengths  # noqa: E402
from training_runs import VOCABULARY, losses_of, metrics, run, settings, stop_at  # noqa: E402

from curate.train import attention  # noqa: E402
from curate.train.models import make_model  # noqa: E402
from curate.train.settings import ModelSettings  # noqa: E402

#: heads of 16, which all kernels can do
SMALL = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128,
    "initializer_range": 0.1,
}  # fmt: skip
KINDS = ["eager", "sdpa", "varlen", "flex_attention"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lengths = {"books": random_lengths(1, 20, mean=200), "web": random_lengths(2, 150, mean=40)}
    return make_set(tmp_path_factory.mktemp("train") / "set", lengths, vocabulary=VOCABULARY).folder


def model(kind: str) -> Any:
    """A Llama whose weights show a leak."""
    config = SMALL | {"initializer_range": 0.3}
    made = ModelSettings(preset="1m", config=config, attention=kind)  # type: ignore[arg-type]
    return make_model(made, vocabulary=VOCABULARY, context=128, eos=None, seed=0)


def trained(data: Path, output: Path, *, attend: str = "sdpa", **more: Any) -> list[float]:
    """The losses of a run."""
    chosen = {"model": {"preset": "1m", "config": SMALL, "attention": attend}, "device": "cuda", **more}
    return [entry["loss"] for entry in losses_of(run(settings(data, output, **chosen)))]


@pytest.fixture(scope="module")
def cpu(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses on a CPU, in float32."""
    return trained(data, tmp_path_factory.mktemp("cpu"), device="cpu")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_document_sees_another(kind: str, dtype: str) -> None:
    made = model(kind).cuda().eval()
    assert attention.check_leak(made, VOCABULARY, getattr(torch, dtype)) <= 1e-4
    ids, positions, documents, _ = attention._packed(VOCABULARY, 128)
    wanted = attention._logits(model("eager").eval(), ids, positions, documents)
    with torch.autocast("cuda", torch.bfloat16, enabled=dtype == "bfloat16"):
        found = attention._logits(made, ids, positions, documents).cpu()
    error = float((found - wanted).norm() / wanted.norm())
    assert error < (5e-2 if dtype == "bfloat16" else 5e-3)


def test_a_leak_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "model_inputs", lambda _, tensors: {"input_ids": tensors["input_ids"]})
    made = model("sdpa").cuda()
    with torch.autocast("cuda", torch.bfloat16):
        assert attention.influence(made, VOCABULARY) > 1e-2


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_those_of_a_cpu(data: Path, tmp_path: Path, cpu: list[float], kind: str, compiled: bool) -> None:
    if kind == "flex_attention" and not compiled:
        pytest.skip("flex_attention is compiled by itself")
    more = {"context": 128} if kind == "flex_attention" else {}
    own = trained(data, tmp_path / "cpu", device="cpu", **more) if more else cpu
    found = trained(data, tmp_path / "gpu", attend=kind, dtype="bfloat16", compile=compiled, **more)
    assert found == pytest.approx(own, abs=2e-2)


def test_float32_is_nearer(data: Path, tmp_path: Path, cpu: list[float]) -> None:
    assert trained(data, tmp_path, dtype="float32") == pytest.approx(cpu, abs=5e-3)


@pytest.mark.parametrize(
    "more", [{"optimizer": {"kind": "muon"}}, {"adapter": {"rank": 4, "kind": "dora"}}], ids=["muon", "dora"]
)
def test_optimizers_and_adapters(data: Path, tmp_path: Path, more: dict[str, Any]) -> None:
    own = trained(data, tmp_path / "cpu", device="cpu", **more)
    assert trained(data, tmp_path / "gpu", dtype="bfloat16", attend="varlen", **more) == pytest.approx(own, abs=5e-2)


@pytest.mark.parametrize("kind", ["sdpa", "varlen"])
def test_a_run_killed_twice_is_the_run_that_was_not(data: Path, tmp_path: Path, kind: str) -> None:
    more: dict[str, Any] = {"attend": kind, "checkpoint": {"every": 4}}
    whole = trained(data, tmp_path / "whole", **more)
    for step in (6, 11):
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, step)
            with pytest.raises(RuntimeError, match="killed"):
                trained(data, tmp_path / "cut", **more)
    assert trained(data, tmp_path / "cut", **more) == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("more", [{}, {"shard": False}, {"compile": True}], ids=["fsdp2", "ddp", "fsdp2-compiled"])
def test_torchrun_trains_as_one_process_and_hands_over(
    data: Path, tmp_path: Path, cpu: list[float], more: dict[str, Any]
) -> None:
    chosen: dict[str, Any] = {
        "model": {"preset": "1m", "config": SMALL, "attention": "varlen"},
        "device": "cuda",
        **more,
    }
    half = settings(data, tmp_path / "out", **chosen)
    file = tmp_path / "train.json"
    file.write_text(half.model_dump_json(by_alias=True))
    code = (
        "import sys; from pathlib import Path; from curate.train.settings import TrainSettings as S;"
        "from curate.train.parallel import Parallel; from curate.train import loop; import training_runs;"
        "s = S.model_validate_json(Path(sys.argv[1]).read_text()); Path(s.output).mkdir(exist_ok=True);"
        "p = Parallel(s); p.__enter__(); assert p.grouped and p.sharded == (s.shard is None); run = loop.prepare(s, p);\n"
        "loop.mix(run)\n"
        "while run.step < 7: loop.train_step(run, next(run.loader)); run.step += 1\n"
        "loop.save(run); run.loader.close(); p.__exit__()"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "TORCHELASTIC_RUN_ID": "one", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2]), *sys.path]),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, str(file)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = losses_of(run(half))
    assert [entry["step"] for entry in found] == list(range(8, 13))
    assert [entry["loss"] for entry in found] == pytest.approx(cpu[7:], abs=2e-2)


def test_the_speed_is_told_as_a_share_of_the_peak(data: Path, tmp_path: Path) -> None:
    from curate.train.metrics import PEAKS

    trained(data, tmp_path, steps=2)
    known = any(name in torch.cuda.get_device_name() for name in PEAKS)
    assert all(("mfu" in entry) == known for entry in losses_of(metrics(tmp_path)))


def test_a_check_of_a_training_on_this_gpu(data: Path, tmp_path: Path) -> None:
    from curate.train.check.command import checked, make_subject
    from curate.train.parallel import Parallel

    chosen = settings(
        data, tmp_path / "out", model={"preset": "1m", "config": SMALL, "attention": "varlen"}, device="cuda"
    )
    with Parallel(chosen) as parallel:
        found = {one.check: one for one in checked(make_subject(chosen, tmp_path, parallel))}
    assert {name: one.what for name, one in found.items() if one.state == "broken"} == {}
    assert found["resume"].state == found["documents apart"].state == found["memory"].state == "ok"


def test_memory_is_as_foretold(data: Path, tmp_path: Path) -> None:
    from curate.train.check.cost import activations
    from curate.train.losses import Objective
    from curate.train.models import model_config
    from curate.train.objectives.cross_entropy import CrossEntropy
    from curate.train.parallel import Parallel

    own = {"preset": "15m", "attention": "varlen"}
    chosen = settings(data, tmp_path, model=own, device="cuda", context=512, rows=8, micro_rows=8)
    config = model_config(chosen.model, vocabulary=VOCABULARY, context=512, eos=None)
    made = make_model(chosen.model, vocabulary=VOCABULARY, context=512, eos=None, seed=0).cuda()
    objective = Objective(made, CrossEntropy())
    tensors = {
        "input_ids": torch.zeros(8, 512, dtype=torch.int64).cuda(), "position_ids": torch.arange(512).repeat(8, 1).cuda(),
    }  # fmt: skip
    before = torch.cuda.memory_allocated()
    with Parallel(chosen).computing():
        states = made.model(**attention.model_inputs(objective.model, tensors)).last_hidden_state
    kept = torch.cuda.memory_allocated() - before
    foretold = activations(config, chosen, rows=8, numbers=False) // 2
    assert states.requires_grad and 0.4 < foretold / kept < 2.0
