"""Training runs: exact resume, equal whatever the micro-batch and the processes, errors that name what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from token_sets import make_set, random_lengths  # noqa: E402
from training_runs import VOCABULARY, losses_of, metrics, run, settings, stop_at  # noqa: E402

from curate.errors import ConfigError, CurateError  # noqa: E402
from curate.train.checkpoint import checkpoints, load_optimizer, state_of  # noqa: E402
from curate.train.trace import spikes, trace, traced  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lengths = {"books": random_lengths(1, 20, mean=200), "web": random_lengths(2, 150, mean=40)}
    return make_set(tmp_path_factory.mktemp("train") / "set", lengths, vocabulary=VOCABULARY).folder


@pytest.mark.parametrize("more", [{}, {"optimizer": {"kind": "muon"}}, {"adapter": {"rank": 2, "dropout": 0.2}}])
def test_a_run_killed_twice_is_the_run_that_was_not(data: Path, tmp_path: Path, more: dict[str, Any]) -> None:
    whole = run(settings(data, tmp_path / "whole", checkpoint={"every": 4}, **more))
    for step in (6, 11):
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, step)
            with pytest.raises(RuntimeError, match="killed"):
                run(settings(data, tmp_path / "cut", checkpoint={"every": 4}, **more))
    assert run(settings(data, tmp_path / "cut", checkpoint={"every": 4}, **more)) == whole
    steps = losses_of(whole)
    assert [entry["step"] for entry in steps] == list(range(1, 13)) and steps[-1]["loss"] < steps[0]["loss"]
    weights = [
        next((tmp_path / name / "model").resolve().glob("*.safetensors")).read_bytes() for name in ("whole", "cut")
    ]
    assert weights[0] == weights[1]


def test_a_kill_within_a_checkpoint_leaves_the_one_before(data: Path, tmp_path: Path) -> None:
    whole = run(settings(data, tmp_path / "whole", checkpoint={"every": 4}))
    # the second is cut off before its state is written, and, on the way on, before its optimizer is
    for name in ("write_json", "torch.save"):
        with pytest.MonkeyPatch.context() as patch:
            _die_in(patch, name, tmp_path / "cut")
            with pytest.raises(RuntimeError, match="killed"):
                run(settings(data, tmp_path / "cut", checkpoint={"every": 4}))
        assert [state_of(path)["step"] for path in checkpoints(tmp_path / "cut")] == [4]
        assert load_optimizer(checkpoints(tmp_path / "cut")[0])["state"]
        assert (tmp_path / "cut" / "model").resolve().parent.name == "000004"
    assert run(settings(data, tmp_path / "cut", checkpoint={"every": 4})) == whole
    assert not [path for path in (tmp_path / "cut" / "checkpoints").iterdir() if not path.name.isdigit()]


def _die_in(patch: pytest.MonkeyPatch, name: str, output: Path) -> None:
    """Die where a checkpoint calls this, once the first is there; what is half done stays, as after kill -9."""
    import curate.files
    import curate.train.checkpoint as module

    *parents, last = name.split(".")
    place: Any = getattr(module, parents[0]) if parents else module
    original = getattr(place, last)

    def dying(*args: Any, **options: Any) -> Any:
        if checkpoints(output):
            raise RuntimeError("killed")
        return original(*args, **options)

    patch.setattr(place, last, dying)
    patch.setattr(curate.files.shutil, "rmtree", lambda *_, **__: None)


def test_in_bfloat16_the_weights_stay_whole_and_the_loss_is_near(data: Path, tmp_path: Path) -> None:
    full, half = (
        losses_of(run(settings(data, tmp_path / dtype, dtype=dtype, steps=4))) for dtype in ("float32", "bfloat16")
    )
    assert [entry["loss"] for entry in half] == pytest.approx([entry["loss"] for entry in full], abs=0.02)
    assert [entry["loss"] for entry in half] != [entry["loss"] for entry in full]
    again = losses_of(run(settings(data, tmp_path / "again", dtype="bfloat16", steps=4)))
    assert again == half
    from safetensors.torch import load_file

    (weights,) = (tmp_path / "bfloat16" / "model").resolve().glob("*.safetensors")
    assert {tensor.dtype for tensor in load_file(weights).values()} == {torch.float32}


def test_the_micro_batch_changes_rounding_alone(data: Path, tmp_path: Path) -> None:
    found = [losses_of(run(settings(data, tmp_path / str(rows), micro_rows=rows, steps=4))) for rows in (1, 8)]
    for one, other in zip(*found, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-6) and one["trained"] == other["trained"]


def test_the_chunked_loss_is_that_of_whole_logits(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import curate.train.losses as losses

    monkeypatch.setattr(losses, "CPU_CHUNK_LOGITS", 1000)
    chunked = losses_of(run(settings(data, tmp_path / "chunked", steps=4)))
    monkeypatch.setattr(losses, "_has_plain_head", lambda _: False)
    whole = losses_of(run(settings(data, tmp_path / "whole", steps=4)))
    for one, other in zip(chunked, whole, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=2e-6)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], abs=1e-5)


@pytest.mark.parametrize(
    "mixture",
    [
        {"kind": "skill_it", "graph": {"steps": 2, "diagonal": "one"}, "eta": 2.0, "update_every": 3},
        {"kind": "aioli", "cycle": 8, "rounds": 1, "probe_steps": 2, "one_hot": 0.8, "eta": 5.0},
        {"kind": "curriculum", "steps": 9, "stages": 3},
    ],
    ids=lambda mixture: mixture["kind"],
)
def test_an_online_mixture_resumes_to_the_bit(data: Path, tmp_path: Path, mixture: dict[str, Any]) -> None:
    more = {
        "mixture": mixture, "evaluate": {"data": str(data), "every": 12, "documents": 4}, "steps": 12,
        "checkpoint": {"every": 2},
    }  # fmt: skip
    whole = run(settings(data, tmp_path / "whole", **more))
    for step in (5, 9):
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, step)
            with pytest.raises(RuntimeError, match="killed"):
                run(settings(data, tmp_path / "cut", **more))
    assert run(settings(data, tmp_path / "cut", **more)) == whole
    weights = [entry["weights"]["web"] for entry in whole if "weights" in entry]
    assert len(weights) >= 3 and len(set(weights)) >= 2
    # the card counts changes; the weights of the first step are none
    changes = sum(a != b for a, b in pairwise(weights))
    assert f"Weights changed {changes} times." in (tmp_path / "cut" / "model" / "README.md").read_text()
    drawings = [(tmp_path / name / "mixture.svg").read_text() for name in ("whole", "cut")]
    assert drawings[0] == drawings[1] and drawings[0].count("<title>") == 2 * len(weights)


def test_losses_by_source_sum_to_the_loss(data: Path, tmp_path: Path) -> None:
    entry = losses_of(run(settings(data, tmp_path, steps=1)))[0]
    assert set(entry["losses"]) == {"books", "web"}
    assert min(entry["losses"].values()) <= entry["loss"] <= max(entry["losses"].values())


def launch(file: Path, world: int) -> None:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={world}",
        "-m",
        "curate",
    ]
    done = subprocess.run(
        [*command, "train", str(file)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert not done.returncode, done.stderr[-3000:]


@pytest.mark.parametrize("shard", [False, True], ids=["ddp", "fsdp2"])
def test_two_processes_train_as_one_and_hand_over(data: Path, tmp_path: Path, shard: bool) -> None:
    """World 1 for all steps, against 2 for all, and against 2 for the first half and 1 for the rest."""
    more: dict[str, Any] = {"checkpoint": {"every": 3, "keep": 9}, "steps": 6}
    both = settings(data, tmp_path / "two", shard=shard, **more)
    (tmp_path / "two.yaml").write_text(json.dumps(both.model_dump(mode="json", by_alias=True)))
    launch(tmp_path / "two.yaml", 2)
    one = losses_of(run(settings(data, tmp_path / "one", **more)))
    two = losses_of(metrics(tmp_path / "two"))
    shutil.rmtree(tmp_path / "two" / "checkpoints" / "000006")
    handed = losses_of(run(settings(data, tmp_path / "two", **more)))
    for a, b, c in zip(one, two, handed, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-5) and a["loss"] == pytest.approx(c["loss"], abs=1e-5)
        assert a["trained"] == b["trained"]
    rows = [list(traced(tmp_path / name, 2)) for name in ("one", "two")]
    assert rows[0] == rows[1] and {row["row"] for row in rows[0]} == set(range(8))


def test_a_checkpoint_loads_with_transformers(data: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    chosen = settings(data, tmp_path, evaluate={"data": str(data), "every": 5, "documents": 6})
    found = run(chosen)
    held_out = [entry["held_out"] for entry in found if "held_out" in entry]
    assert len(held_out) == 3 and held_out[-1]["all"]["loss"] < held_out[0]["all"]["loss"]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    ids = torch.arange(20)[None]
    assert model(input_ids=ids).logits.shape == (1, 20, 256)
    # evaluations stand at 5, 10 and 12, checkpoints at 6 and 12: the best is there all the same
    assert state_of(checkpoints(tmp_path)[-1])["best"]["step"] in [state_of(p)["step"] for p in checkpoints(tmp_path)]
    assert state_of(checkpoints(tmp_path)[-1])["step"] == 12 and load_optimizer(checkpoints(tmp_path)[-1])["state"]
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| web |" in card and state_of(checkpoints(tmp_path)[-1])["data"][0]["hash"] in card


def test_held_out_loss_is_that_of_each_document_alone(data: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    from curate.train.token_set import TokenSet

    found = run(settings(data, tmp_path, evaluate={"data": str(data), "documents": 5}, steps=3))[-1]["held_out"]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    total, count = 0.0, 0
    for number, document in enumerate(TokenSet.open(data).documents("web")):
        if number == 5:
            break
        ids = torch.from_numpy(document.tokens[:32].astype("int64"))[None]
        if ids.shape[1] > 1:
            with torch.no_grad():
                logits = model(input_ids=ids).logits[0, :-1]
            total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
            count += ids.shape[1] - 1
    assert found["web"]["tokens"] == count and found["web"]["loss"] == pytest.approx(total / count, abs=1e-5)


def test_a_loss_that_is_no_number_names_its_documents(data: Path, tmp_path: Path) -> None:
    chosen = settings(data, tmp_path, optimizer={"lr": 1e30, "clip": 0}, schedule={"warmup": 0})
    with pytest.raises(CurateError, match=r"(?s)the (loss|gradient's norm) is (nan|inf).*books\.jsonl|web\.jsonl"):
        run(chosen)


def test_spikes_lead_to_their_documents(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that does not learn: any loss above the mean stands out."""
    monkeypatch.setattr("curate.train.guard.LEAST", 2)
    found = run(settings(data, tmp_path, guard={"spike": 0.01}, optimizer={"lr": 1e-12}))
    told = {entry["step"]: entry for entry in found if "spike" in entry.get("event", "")}
    assert 1 < len(told) < 11 and list(spikes(tmp_path)) == list(told)
    steps = {entry["step"]: entry["loss"] for entry in losses_of(found)}
    assert all(entry["event"] == f"loss {steps[step + 1]:.3f} is a spike" for step, entry in told.items())
    # the guard named the first documents of the batch; a checkpoint stands for its run
    for step, entry in told.items():
        lines = {f"{e['source']} {e['path']} at {e['offset']} ({e['id']})" for e in traced(tmp_path, step)}
        assert set(entry["lines"][:-1]) < lines
    trace(checkpoints(tmp_path)[-1], None, around="spike", as_json=True)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert printed == [entry for step in told for entry in traced(tmp_path, step)]
    *_, last = told
    assert list(spikes(tmp_path, 100)) == [last] and list(spikes(tmp_path, last)) == [last]
    for step, around, said in (
        (None, "0", "--step: is missing"),
        (3, "x", "--around: expected a number of steps, or spike"),
    ):
        with pytest.raises(ConfigError, match=said):
            trace(tmp_path, step, around=around, as_json=False)
    (tmp_path / "metrics.jsonl").unlink()
    with pytest.raises(CurateError, match="has no spike in its steps 0 to 11"):
        trace(tmp_path, 3, around="spike", as_json=False)


def test_a_batch_that_teaches_nothing_is_told_and_is_no_spike(tmp_path: Path) -> None:
    """Prompts of 200 tokens in rows of 32: most of their pieces have no answer."""
    held = make_set(tmp_path / "set", {"books": [200] * 4, "web": [200] * 4}, answers=0.1, vocabulary=VOCABULARY)
    found = run(settings(held.folder, tmp_path / "run", rows=1, micro_rows=1))
    told = [entry for entry in found if entry.get("event") == "no token of the batch is learnt"]
    assert {entry["step"] + 1 for entry in told} == {e["step"] for e in losses_of(found) if not e["trained"]}
    assert 0 < len(told) < 12 and told[0]["lines"][0].startswith(("books books.jsonl at", "web web.jsonl at"))
    # the guard's mean is of what was learnt
    guard = state_of(checkpoints(tmp_path / "run")[-1])["guard"]
    assert guard["steps"] == 12 - len(told) and guard["mean"] > 4


def test_other_settings_do_not_go_on(data: Path, tmp_path: Path) -> None:
    run(settings(data, tmp_path, steps=2))
    with pytest.raises(ConfigError, match="seed: is 4, the checkpoint .* has 3"):
        run(settings(data, tmp_path, steps=2, seed=4))
    with pytest.raises(ConfigError) as caught:
        run(settings(data, tmp_path, steps=3, optimizer={"lr": 0.5}))
    lr, steps = caught.value.problems
    assert (lr.where, steps.where) == ("optimizer.lr", "steps") and lr.what.startswith("is 0.5, the checkpoint ")
    assert f"model: {{from: {tmp_path}/model}}" in steps.hint
    # how it is computed may change
    run(settings(data, tmp_path, steps=2, micro_rows=2))


def test_mistakes_of_a_training_file_are_told_at_once(data: Path, tmp_path: Path) -> None:
    from corpora import curate

    (tmp_path / "t.yaml").write_text(
        "name: x\ndata: nowhere\nmodel: {preset: 2m}\ncontext: 32\nrows: 6\nmicro_rows: 4\nsteps: 3\noutput: out\n"
    )
    done = curate("train", tmp_path / "t.yaml")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "unknown preset `2m`" in done.stderr and "nowhere" in done.stderr and "micro_rows" in done.stderr
    (tmp_path / "t.yaml").write_text("name: x\nstepps: 3\nmodel: {}\noutput: out\n")
    done = curate("train", tmp_path / "t.yaml")
    assert done.returncode == 2 and "did you mean steps?" in done.stderr and "write one of `preset`" in done.stderr


@pytest.mark.parametrize(
    ("kind", "shares"),
    [
        ("cosine", [0.5, 1.0, 1.0, 0.55, 0.1]),
        ("wsd", [0.5, 1.0, 1.0, 1.0, 0.325]),
        ("linear", [0.5, 1.0, 1.0, 0.55, 0.2125]),
    ],
)
def test_schedules(kind: str, shares: list[float]) -> None:
    from curate.train.optimizers import rate
    from curate.train.settings import ScheduleSettings

    made = ScheduleSettings(kind=kind, warmup=0.2, decay=0.4, floor=0.1)  # type: ignore[arg-type]
    found = [rate(made, step, 10) for step in (0, 1, 2, 6, 9)]
    assert found[:3] == pytest.approx(shares[:3])
    assert found[3] == pytest.approx(shares[3] if kind != "wsd" else 1.0)
    assert 0.1 <= found[4] < found[3]
