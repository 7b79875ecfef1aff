"""The typed settings of a pipeline file, apart from its steps."""

from __future__ import annotations

import os
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4, "KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30}


def parse_size(value: Any) -> Any:
    """`256MB`, `16GiB`, `1024` -> bytes. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT]?I?)B?\s*", value.upper())
    if not match or match[2] not in _UNITS:
        raise ValueError(f"`{value}` is not a size; write 256MB or 16GiB")
    return int(float(match[1]) * _UNITS[match[2]])


def parse_share(value: Any) -> Any:
    """`1%` or 0.01 -> 0.01. Raises ValueError."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\s*[0-9.]+\s*%\s*", value):
        raise ValueError(f"`{value}` is not a share; write 1% or 0.01")
    return float(value.strip().rstrip("%")) / 100


Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0, json_schema_extra={"type": ["integer", "string"]})]
Share = Annotated[float, BeforeValidator(parse_share), Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputEntry(_Strict):
    """One named source of documents."""

    name: str = Field(description="the `source` of its documents", pattern=r"^[\w.-]+$")
    path: str | list[str] = Field(
        description="files, folders or globs, relative to the pipeline file; `python:` is the text of the Python environment"
    )
    format: (
        Literal[
            "warc", "wet", "arc", "jsonl", "parquet", "arrow", "text", "html", "pdf", "markdown", "epub", "subtitles",
            "code", "mediawiki",
        ]
        | None
    ) = Field(None, description="how to read the files; by their suffix if absent")  # fmt: skip
    text: str = Field("text", description="the column or key that holds the text")
    html: str | None = Field(
        None, description="the column or key that holds a raw HTML page, for `extract`; instead of `text`"
    )
    chat: str | None = Field(
        None,
        description="records are conversations: `auto` (messages, ShareGPT, Alpaca), or the column of the messages",
    )
    metadata: list[str] = Field([], description="more columns or keys to keep, as a JSON object in `metadata`")
    id: str | None = Field(None, description="the column or key that holds the id")
    url: str | None = Field(None, description="the column or key that holds the URL")
    date: str | None = Field(None, description="the column or key that holds the date")
    max_document_bytes: Size = Field(16 << 20, le=1 << 30, description="a larger record is quarantined; at most 1 GiB")
    markup: Literal["keep", "strip"] | None = Field(
        None,
        description="Markdown and MediaWiki: whether the text keeps its marks; by default Markdown does, MediaWiki not",
    )
    namespaces: list[int] = Field([0], description="MediaWiki: the namespaces whose pages are documents; 0 is articles")
    split: str | list[str] | None = Field(None, description="Hugging Face datasets: the splits to read; all if absent")

    @model_validator(mode="after")
    def _one_kind_of_record(self) -> Self:
        if self.chat and self.html:
            raise ValueError("`chat` and `html` exclude each other: a record is a conversation or a page")
        return self

    @property
    def paths(self) -> list[str]:
        """The paths as a list."""
        return [self.path] if isinstance(self.path, str) else self.path

    @property
    def splits(self) -> list[str]:
        """The splits as a list; empty for all."""
        return [self.split] if isinstance(self.split, str) else self.split or []


class TokenizerTraining(_Strict):
    """A byte-level BPE of the kept documents, in `tokenizer/`; made anew when they change. See `curate tokenizer train`."""

    vocabulary: int = Field(32000, ge=260, description="how many tokens, special ones with them")
    special: list[str] = Field([], description="more special tokens")
    size: Size = Field(1 << 30, alias="bytes", description="of a larger corpus, each shard gives its head")


class NewTokenizer(_Strict):
    """A tokenizer that the run trains."""

    train: TokenizerTraining


def _kind_of_tokenizer(value: Any) -> str:
    return "named" if isinstance(value, str) else "new"


class TokensOutput(_Strict):
    """Token ids of the kept documents in `tokens/`, for training; see `curate tokenize`."""

    tokenizer: Annotated[
        Annotated[str, Tag("named")] | Annotated[NewTokenizer, Tag("new")], Discriminator(_kind_of_tokenizer)
    ] = Field(
        description="tokenizer.json, a folder, or a name of the hub's cache, relative to the file; or `train: {vocabulary: N}`"
    )
    held_out: Share = Field(
        0.0,
        lt=1,
        description="this share of the documents, chosen by their text, goes to `tokens/held_out` for evaluation",
    )
    by: str = Field("source", description="what the mixture weighs: a column, a signal, metadata.KEY")
    eos: str | None = Field(None, description="the token that ends a document; the tokenizer's own if absent")
    chat: bool = Field(False, description="conversations: the loss is of the answers")
    template: str = Field(
        "auto", description="with chat: auto, tokenizer, chatml, plain, or a file of a Jinja template"
    )
    answers: Literal["all", "last"] = Field("all", description="with chat: which answers the loss is of")
    prompts: Literal["kept", "empty"] = Field(
        "kept", description="with chat: `empty` leaves out what users say, turns stay (response tuning)"
    )


class Output(_Strict):
    """Where and how the result is written."""

    path: str = Field(description="the output folder; relative to the pipeline file")
    shard_bytes: Size = Field(256_000_000, description="the most uncompressed bytes of documents in one shard")
    quarantine_limit: Share = Field(0.01, description="above this share of quarantined documents nothing is published")
    tokens: TokensOutput | None = Field(None, description="also write token ids for training")


class ExecutorSettings(_Strict):
    """Where the work runs. Results never depend on it."""

    kind: Literal["local"] = Field("local", description="`local`: a pool of processes on this machine")
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="processes; default: cores")
    memory: Size | None = Field(None, description="a limit on the whole run, all processes together")
