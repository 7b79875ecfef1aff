"""The order of batches: the same after any stop, on any number of ranks and threads, with shares that follow the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from token_sets import make_set, random_lengths

from curate.errors import ConfigError, CurateError
from curate.kernels import packing
from curate.train.loader import Loader
from curate.train.plan import PlanSettings
from curate.train.token_set import TokenSet

LENGTHS = {
    "books": random_lengths(1, 40, mean=900),
    "code": random_lengths(2, 300, mean=120),
    "web": random_lengths(3, 500, mean=60),
}
WEIGHTS = {"books": 0.2, "code": 0.3, "web": 0.5}
PACKINGS = ("concatenate", "best_fit")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TokenSet:
    return make_set(tmp_path_factory.mktemp("tokens") / "set", LENGTHS)


def settings(name: str = "concatenate", **more: Any) -> PlanSettings:
    return PlanSettings(**{"context": 128, "rows": 8, "seed": 7, "packing": name, **more})


def digests(loader: Loader, steps: int) -> list[str]:
    return [next(loader).digest() for _ in range(steps)]


def saved(loader: Loader) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(json.dumps(loader.state()))
    return state


@pytest.mark.parametrize("name", PACKINGS)
def test_two_interruptions_change_no_batch(data: TokenSet, name: str) -> None:
    whole = digests(Loader([data], settings(name), weights=WEIGHTS), 30)
    parts: list[str] = []
    loader = Loader([data], settings(name), weights=WEIGHTS)
    for count in (7, 11, 12):
        parts += digests(loader, count)
        loader = Loader([data], state=saved(loader), threads=count % 3, ahead=count % 5)
    assert parts == whole and len(set(whole)) == 30


@pytest.mark.parametrize("name", PACKINGS)
@pytest.mark.parametrize("world", [2, 4, 8])
def test_ranks_together_have_the_rows_of_one(data: TokenSet, name: str, world: int) -> None:
    one = Loader([data], settings(name), weights=WEIGHTS)
    ranks = [Loader([data], settings(name), weights=WEIGHTS, rank=r, world=world) for r in range(world)]
    for _ in range(5):
        batch, parts = next(one), [next(rank) for rank in ranks]
        for field in ("tokens", "labels", "positions", "documents"):
            shared = np.stack([getattr(part, field) for part in parts], axis=1).reshape(getattr(batch, field).shape)
            assert (shared == getattr(batch, field)).all(), field
    assert all(saved(rank) == saved(one) for rank in ranks)


@pytest.mark.parametrize("name", PACKINGS)
def test_the_world_may_change_at_a_resume(data: TokenSet, name: str) -> None:
    whole = [next(loader).tokens for loader in [Loader([data], settings(name), weights=WEIGHTS)] for _ in range(9)]
    state: dict[str, Any] | None = None
    rows = []
    for world in (1, 2, 1):
        at = {"state": state} if state else {"settings": settings(name), "weights": WEIGHTS}
        ranks = [Loader([data], rank=r, world=world, **at) for r in range(world)]  # type: ignore[arg-type]
        for _ in range(3):
            rows.append(np.stack([next(rank).tokens for rank in ranks], axis=1).reshape(8, 128))
        state = saved(ranks[-1])
    assert all((a == b).all() for a, b in zip(whole, rows, strict=True))


@pytest.mark.parametrize("name", PACKINGS)
def test_weights_change_at_a_step_whatever_was_made_ahead(data: TokenSet, name: str) -> None:
    later = {"books": 0.7, "web": 0.3}

    def run(threads: int, stops: tuple[int, ...]) -> list[str]:
        loader = Loader([data], settings(name), weights=WEIGHTS, threads=threads, ahead=4)
        found = []
        for step in range(20):
            if step in stops:
                loader = Loader([data], state=saved(loader), threads=threads)
            if step in (6, 13):
                loader.set_weights(WEIGHTS)  # overruled at once: never held
                loader.set_weights(later if step == 6 else WEIGHTS)
            found.append(next(loader).digest())
        assert [step for step, _ in loader.history] == [0, 6, 13]
        return found

    assert run(0, ()) == run(2, (3, 6, 7, 13)) == run(1, (13, 14))


@pytest.mark.parametrize("name", PACKINGS)
def test_any_step_is_reached_from_a_state_and_the_history(data: TokenSet, name: str) -> None:
    loader = Loader([data], settings(name), weights=WEIGHTS)
    found, states = [], []
    for step in range(16):
        if step in (5, 9):
            loader.set_weights({"books": step / 10, "code": 1 - step / 10})
        states.append(saved(loader))
        found.append(next(loader).digest())
    for start, step in ((0, 0), (0, 12), (4, 5), (5, 5), (6, 15), (9, 10)):
        other = Loader([data], state=states[start])
        other.seek(step, loader.history)
        assert next(other).digest() == found[step], (start, step)


@pytest.mark.parametrize("long", ["split", "crop"])
@pytest.mark.parametrize("name", PACKINGS)
def test_shares_follow_weights_within_one_piece(data: TokenSet, name: str, long: str) -> None:
    """WF2Q's bounds, of what is drawn, at every step and under every weights; what is drawn and waits is counted."""
    loader = Loader([data], settings(name, long=long), weights=WEIGHTS)
    longest = {name: min(max(sizes), 128) for name, sizes in LENGTHS.items()}
    base = dict.fromkeys(LENGTHS, 0)
    for weights in (WEIGHTS, {"books": 0.1, "code": 0.1, "web": 0.8}, {"books": 1.0, "code": 1.0, "web": 1.0}):
        loader.set_weights(weights)
        shares, before = loader.weights, {n: c["tokens"] for n, c in loader.report()["sources"].items()}
        owed = {n: base[n] for n in base}
        for _ in range(12):
            next(loader)
            counts = {n: c["tokens"] - before[n] for n, c in loader.report()["sources"].items()}
            total = sum(counts.values())
            for source, count in counts.items():
                lead = count - shares[source] * total + owed[source]
                assert -max(longest.values()) - 1e-6 <= lead <= longest[source] + 1e-6
        base = {n: c - shares[n] * total + owed[n] for n, c in counts.items()}


@pytest.mark.parametrize("name", PACKINGS)
def test_an_epoch_has_every_token_once(data: TokenSet, name: str) -> None:
    loader = Loader([data], settings(name), weights={"web": 1})
    total = sum(LENGTHS["web"])
    seen: dict[int, list[tuple[int, int]]] = {}
    for _ in range(total // 1024 - 3):
        for _, _, _, document, start, length in next(loader).segments.tolist():
            seen.setdefault(document, []).append((start, length))
    for document, parts in seen.items():
        at = 0
        for start, length in sorted(parts):
            assert start >= at
            at = start + length
        assert at <= LENGTHS["web"][document]
    assert sum(length for parts in seen.values() for _, length in parts) > 0.9 * total * 0.95


@pytest.mark.parametrize("name", PACKINGS)
def test_the_pieces_of_a_book_are_spread_and_whole_rows_are_not_cut(tmp_path: Path, name: str) -> None:
    """One book of 200 rows, and texts of as many tokens in all: no step is the book's, and it is all there in an epoch."""
    sizes = [*[90] * 140, 200 * 128 + 5, *[90] * 144]
    one = make_set(tmp_path / "one", {"a": sizes}, files=2)
    loader = Loader([one], settings(name, rows=16))
    of_book, cut, starts = [], 0, []
    for _ in range(sum(sizes) // (16 * 128)):
        segments = next(loader).segments
        book = segments[segments[:, packing.DOCUMENT] == 140]
        of_book.append(len(np.unique(book[:, packing.ROW])))
        cut += int((book[:, packing.LENGTH] < 128).sum())
        starts += book[:, packing.START].tolist()
    assert max(of_book) < 14 and min(of_book) > 0
    # a step cuts one piece at the most, into two
    assert cut <= 2 * len(of_book) and len(starts) == len(set(starts)) > 150
    assert loader.report()["sources"]["a"]["epochs"] > 0.8


def test_a_batch_says_what_it_holds(data: TokenSet) -> None:
    loader = Loader([data], settings("best_fit"), weights=WEIGHTS, pad=59999)
    for _ in range(4):
        batch = next(loader)
        covered = np.zeros(batch.tokens.shape, bool)
        for place, segment in zip(loader.documents(batch), batch.segments.tolist(), strict=True):
            row, at, length = segment[0], segment[1], segment[5]
            document = data.document(place.source, int(place.id.split("-")[1]))
            assert (document.id, document.path, document.offset) == (place.id, place.path, place.offset)
            part = slice(at, at + length)
            assert (batch.tokens[row, part] == document.tokens[place.start : place.start + length]).all()
            assert (batch.positions[row, part] == np.arange(length)).all()
            assert len(set(batch.documents[row, part].tolist())) == 1
            assert batch.labels[row, at] == packing.IGNORE
            assert (batch.labels[row, at + 1 : at + length] == batch.tokens[row, at + 1 : at + length]).all()
            assert not covered[row, part].any()
            covered[row, part] = True
        assert (batch.tokens[~covered] == 59999).all() and (batch.labels[~covered] == packing.IGNORE).all()
        assert (batch.documents[~covered] == -1).all()
    total = loader.report()["total"]
    assert total["slots"] == total["placed"] + total["padded"] == 4 * 8 * 128


def test_ids_above_65535_are_kept_in_four_bytes(tmp_path: Path) -> None:
    held = make_set(tmp_path / "set", {"a": [40], "b": [40], "c": [300]}, width=4, vocabulary=150_000)
    assert str(held.batch(held.blocks["c"][0])["tokens"].type.value_type) == "uint32"
    (known,) = held.documents("c")
    loader = Loader([held], settings(rows=1, context=300), weights={"c": 1.0})
    assert next(loader).tokens[0].tolist() == known.tokens.tolist() and known.tokens.min() > 65535


def test_micro_batches_are_the_rows_of_the_batch(data: TokenSet) -> None:
    batch = next(Loader([data], settings(), weights=WEIGHTS))
    parts = list(batch.micro_batches(3))
    assert [len(part.tokens) for part in parts] == [3, 3, 2]
    for field in ("tokens", "labels", "positions", "documents"):
        assert (np.concatenate([getattr(part, field) for part in parts]) == getattr(batch, field)).all()


def test_masks_decide_the_labels_and_cut_conversations_are_counted(tmp_path: Path) -> None:
    chats = make_set(tmp_path / "chats", {"chat": [40, 300, 60, 80]}, answers=0.25, files=1)
    loader = Loader([chats], settings("best_fit", long="crop"))
    batch = next(loader)
    for row, at, _, document, start, length in batch.segments.tolist():
        mask = chats.document("chat", document).mask
        assert mask is not None and start == 0
        wanted = np.where(mask[:length] == 1, batch.tokens[row, at : at + length], packing.IGNORE)
        assert (batch.labels[row, at : at + length] == wanted).all()
        assert document != 1, "its answer begins behind the context"
    counts = loader.report()["sources"]["chat"]
    assert counts["dropped_documents"] > 0 and counts["dropped_tokens"] == 300 * counts["dropped_documents"]


@pytest.mark.parametrize(
    ("long", "cropped", "dropped"), [("split", False, False), ("crop", True, False), ("drop", False, True)]
)
def test_what_long_documents_lose_is_counted(data: TokenSet, long: str, cropped: bool, dropped: bool) -> None:
    loader = Loader([data], settings("best_fit", long=long), weights=WEIGHTS)
    for _ in range(20):
        next(loader)
    total = loader.report()["total"]
    assert (total["cropped"] > 0, total["dropped"] > 0) == (cropped, dropped)


def test_each_epoch_has_an_order_of_its_own(tmp_path: Path) -> None:
    one = make_set(tmp_path / "one", {"a": [16] * 64}, files=3)
    loader = Loader([one], PlanSettings(context=16, rows=64, seed=1))
    orders = [next(loader).segments[:, packing.DOCUMENT].tolist() for _ in range(4)]
    assert all(sorted(order) == list(range(64)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    other = Loader([one], PlanSettings(context=16, rows=64, seed=2))
    assert next(other).segments[:, packing.DOCUMENT].tolist() != orders[0]


def test_sets_are_joined_by_the_names_of_their_sources(tmp_path: Path) -> None:
    sets = [make_set(tmp_path / "1", {"a": [20] * 30}), make_set(tmp_path / "2", {"a": [20] * 30, "b": [30] * 9})]
    loader = Loader(sets, settings())
    assert loader.sources == ("a", "b")
    found = {place.id for _ in range(3) for place in loader.documents(next(loader))}
    assert found >= {f"a-{i}" for i in range(30)}


BAD = {
    "no such source": (lambda d: Loader([d], settings(), weights={"wob": 1}), "weights.wob: there is no such source"),
    "negative": (lambda d: Loader([d], settings(), weights={"web": -1}), "a number from 0 up, got -1"),
    "all zero": (lambda d: Loader([d], settings(), weights={"web": 0}), "all are 0"),
    "vocabulary": (lambda d: Loader([d], settings(), vocabulary=100), "the model has 100 embeddings"),
    "world": (lambda d: Loader([d], settings(), world=3), "8 rows cannot be shared among 3 ranks"),
    "rank": (lambda d: Loader([d], settings(), rank=2, world=2), "rank: from 0 to 1, got 2"),
    "context": (lambda d: Loader([d], settings(context=1)), "context: at least 2, got 1"),
    "no set": (lambda d: Loader([], settings()), "no tokenised set is named"),
    "all too long": (lambda d: Loader([d], settings(context=2, long="drop")), "no document of the source"),
}


@pytest.mark.parametrize("name", BAD)
def test_mistakes_are_told_before_the_first_batch(data: TokenSet, name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(CurateError) as caught:
        call(data)
    assert message in str(caught.value)


def test_a_state_of_other_data_is_refused(data: TokenSet, tmp_path: Path) -> None:
    other = make_set(tmp_path / "other", {"a": [5] * 4})
    with pytest.raises(ConfigError, match="the state is of the data"):
        Loader([other], state=Loader([data], settings()).state())
    with pytest.raises(ConfigError, match="are not those of the state"):
        Loader([data], settings(rows=4), state=Loader([data], settings()).state())


def test_an_empty_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hold no documents"):
        Loader([make_set(tmp_path / "empty", {}, files=0)], settings())


def test_a_file_that_is_not_whole_is_told(tmp_path: Path) -> None:
    data = make_set(tmp_path / "set", {"a": [50] * 20})
    path = data.folder / data.manifest["files"][0]["path"]
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(CurateError, match="bytes long, the manifest says"):
        TokenSet.open(data.folder)
    path.write_bytes(whole[:300] + bytes([whole[300] ^ 1]) + whole[301:])
    with pytest.raises(CurateError, match="is damaged"):
        TokenSet.open(data.folder, verify=True)
    path.unlink()
    with pytest.raises(CurateError, match="is missing"):
        TokenSet.open(data.folder)
    with pytest.raises(ConfigError, match="there is no manifest of tokens"):
        TokenSet.open(tmp_path)
