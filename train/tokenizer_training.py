"""`curate tokenizer train`: a byte-level BPE of a corpus, as files that transformers and `curate tokenize` load."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from curate.corpus import corpus_files, texts
from curate.errors import ConfigError, CurateError, Problem
from curate.files import committed_folder, file_sha256, read_json, write_json
from curate.train.bpe import OWN
from curate.train.chat import CHATML
from curate.train.text_tokenizer import CONFIG, JSON, TEMPLATE, load_tokenizer, need

END = "<|endoftext|>"
SPECIAL = (END, "<|im_start|>", "<|im_end|>", "<|pad|>")
LEAST = 256 + len(SPECIAL)
# Where a corpus is larger, each file gives its head.
BYTES = 1 << 30
# what says of what a tokenizer was made
TRAINING = "training.json"


def train_tokenizer(
    paths: Sequence[str],
    output: Path,
    *,
    vocabulary: int = 32000,
    text: str = "text",
    special: Sequence[str] = (),
    size: int = BYTES,
) -> str:
    """Train and write; what to print. Raises ConfigError with all that is wrong, before any work."""
    need("tokenizers", "tokenizer train")
    problems = []
    if output.exists():
        problems.append(Problem("--output", f"`{output}` exists", "name a new folder, or remove it"))
    least = LEAST + len(special)
    if vocabulary < least:
        problems.append(
            Problem("--vocabulary", f"at least {least}: 256 bytes and the special tokens; got {vocabulary}")
        )
    files: list[Any] = []
    try:
        files = corpus_files([_shards(path) for path in paths], text=text)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    seen = [0, 0]
    tokenizer = _trained(_heads(files, size, seen), vocabulary, special)
    if not seen[0]:
        raise CurateError(
            "tokenizer train", "the corpus has no text", "look at the files and the column named by --text"
        )
    found = tokenizer.get_vocab_size()
    with committed_folder(output) as folder:
        tokenizer.save(str(folder / JSON))
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": "<|pad|>",
            "clean_up_tokenization_spaces": False, "model_input_names": ["input_ids", "attention_mask"],
        }  # fmt: skip
        write_json(folder / CONFIG, config)
        (folder / TEMPLATE).write_text(CHATML, "utf-8")
        corpus = [{"path": file.path, "sha256": file_sha256(Path(file.place))} for file in files]
        facts = {"vocabulary": found, "documents": seen[0], "bytes": seen[1], "pattern": OWN, "corpus": corpus}
        facts["asked"] = {"vocabulary": vocabulary, "special": list(special), "bytes": size}
        write_json(folder / TRAINING, facts)
    name = load_tokenizer(str(output)).sha256
    less = f" (asked for {vocabulary:,}: the corpus has no more pairs)" if found < vocabulary else ""
    return (
        f"{found:,} tokens{less} from {seen[0]:,} documents, {seen[1] / 1e6:,.1f} MB\n{output}: {name}\n"
        f"use it:  curate tokenize SHARDS --tokenizer {output} --output DIR"
    )


def _shards(path: str) -> str:
    """The shards of a run's output folder."""
    manifest = read_json(Path(path) / "manifest.json") if Path(path).is_dir() else None
    return str(Path(path) / "shards" / "*.arrow") if manifest and "shards" in manifest else path


def _heads(files: Sequence[Any], size: int, seen: list[int]) -> Iterator[str]:
    """Texts of every file, up to an equal share of `size` bytes; `seen` counts documents and bytes."""
    for file in files:
        left = max(1, size // len(files))
        for batch in texts([file]):
            for text in batch.to_pylist():
                seen[0] += 1
                seen[1] += len(text.encode())
                left -= len(text)
                yield text
                if left <= 0:
                    break
            if left <= 0:
                break


def _trained(source: Iterator[str], vocabulary: int, special: Sequence[str]) -> Any:
    # one thread: else the order in which words are counted, and ties with it, may change
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer: Any = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(OWN), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(dict.fromkeys([*SPECIAL, *special])), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(source, trainer)
    return tokenizer
