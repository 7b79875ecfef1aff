"""`pii`: personal data and secrets, counted, and masked, replaced by pseudonyms or a reason to drop the document."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curate.documents import set_column
from curate.errors import MissingAsset
from curate.kernels.pii_kinds import KINDS, NAMES, TYPES
from curate.steps.pii_engines import BLANK, ENGINE_TYPES, engine_asset, engine_of, settled
from curate.steps.pseudonyms import pseudonym
from curate.steps.step import Bound, Filter, Signal, bounded
from curate.text import Bytes, buffers, from_buffers

if TYPE_CHECKING:
    from curate.kernels.pii import Found

Type = Literal[
    "email", "phone", "ip", "iban", "card", "national_id", "secret", "url_credentials",
    "person", "location", "organization", "date", "other",
]  # fmt: skip
# the kinds of our rules, then what another engine says, which knows types alone
_ALL_TYPES = [*TYPES, *ENGINE_TYPES]
_ALL_NAMES = [*NAMES, *_ALL_TYPES]
_TYPE = np.array([TYPES.index(name) for name in KINDS.values()] + list(range(len(_ALL_TYPES))))
# what is looked for unless the file says so: dates, firms and the rest are in every text
_USUAL = [*TYPES, "person", "location"]
_COUNT = pa.int32()


@bounded
class Pii(Filter):
    """Find e-mail addresses, telephone and card numbers, public IP addresses, IBANs, national ids, keys and passwords.

    Each kind has exact rules: check digits where there are any (Luhn, mod 97, Verhoeff), the prefixes of tokens, the
    shapes of telephone numbers. A number that could be anything counts only beside a word such as `phone`. Names and
    street addresses are left to `engine: presidio` or `gliner`. National ids are those of the US (SSN), India (Aadhaar, PAN), Brazil (CPF),
    China, Spain (DNI, NIE), Italy (codice fiscale), the UK (NINO, NHS) and Canada (SIN).
    """

    kind: ClassVar[str] = "pii"
    version: ClassVar[int] = 2
    source: ClassVar[str] = "masks as in Dolma (arXiv 2402.00159) and FineWeb (arXiv 2406.17557); our own rules"
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "count": Signal(_COUNT, "what was found, all types together"),
        "email": Signal(_COUNT, "e-mail addresses"),
        "phone": Signal(_COUNT, "telephone numbers"),
        "ip": Signal(_COUNT, "public IP addresses, v4 and v6"),
        "iban": Signal(_COUNT, "bank accounts (IBAN)"),
        "card": Signal(_COUNT, "payment card numbers"),
        "national_id": Signal(_COUNT, "national identity, tax, health and social insurance numbers"),
        "secret": Signal(_COUNT, "keys, tokens, private key blocks, random strings assigned to a secret's name"),
        "url_credentials": Signal(_COUNT, "user names with passwords in URLs"),
        "spans": Signal(pa.string(), "what stood where in the text before: kind start-stop, in bytes; not the values"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "none": {},
        "dolma": {"count": Bound(max=5)},
        "strict": {"count": Bound(max=0)},
    }

    preset: str = Field("none", description="none; dolma: drop documents with more than 5; strict: with any")
    types: list[Type] | None = Field(
        None, description="what to look for; if absent all but organization, date and other"
    )
    action: Literal["mask", "pseudonym", "keep"] = Field(
        "mask", description="put `placeholder` in its place, or a stand-in that is always the same, or change nothing"
    )
    engine: Literal["rules", "presidio", "gliner"] = Field(
        "rules", description="rules: our own, without a model; presidio, gliner: these find persons and places as well"
    )
    combine: bool = Field(
        True, description="with another engine, our rules search as well; where both find, ours count"
    )
    model: str | None = Field(
        None,
        description="presidio: a spaCy package or folder (absent: `blank`, patterns without names); gliner: a folder or hub name",
    )
    language: str = Field("en", description="presidio: the language of its recognizers")
    least_score: float = Field(0.4, ge=0, le=1, description="spans of another engine that score less do not count")
    placeholder: str = Field("[{type}]", description="{type} is the type in capitals: [EMAIL], [NATIONAL_ID]")
    key: str | None = Field(
        None, description="the environment variable that holds the secret key of pseudonyms (16 characters or more)"
    )

    @model_validator(mode="after")
    def _has_key(self) -> Self:
        if self.action == "pseudonym" and not self.key:
            raise ValueError("action: pseudonym needs `key`, the name of an environment variable with a secret")
        return self

    @model_validator(mode="after")
    def _has_engine(self) -> Self:
        strange = [name for name in self.types or [] if name in ENGINE_TYPES and self.engine == "rules"]
        if strange:
            raise ValueError(f"{', '.join(strange)}: no rule finds that; write `engine: presidio` or `engine: gliner`")
        if self.engine == "gliner" and not self.model:
            raise ValueError("engine: gliner needs `model`, a folder or hub name such as urchade/gliner_multi_pii-v1")
        return self

    @property
    def expensive(self) -> bool:  # type: ignore[override]
        """Another engine is a thousand times slower than the rules: it should see survivors only."""
        return self.engine != "rules"

    def signals(self) -> Mapping[str, Signal]:
        """The counts, those of another engine among them, and the spans."""
        more = {name: Signal(_COUNT, f"{name}: what {self.engine} calls so") for name in self._types()[len(TYPES) :]}
        return {**self.SIGNALS, **more}

    def assets(self) -> dict[str, str]:
        """The engine and its model; a hash of the key of pseudonyms, so that another key makes another text."""
        found = {} if self.engine == "rules" else engine_asset(self.name, self.engine, self.model or BLANK)
        if self.action == "pseudonym":
            found["key"] = hashlib.blake2b(b"fingerprint", key=self._secret(), digest_size=16).hexdigest()
        return found

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; replaces what is found in `text` unless told to keep it. A null text stays null."""
        from curate.kernels.pii import find_pii

        text = batch.column("text")
        data, offsets = buffers(text)
        wanted = np.array([name in (self.types or _USUAL) for name in KINDS.values()])
        found = find_pii(data, offsets, wanted & (self.engine == "rules" or self.combine))
        if self.engine != "rules":
            found = self._with_engine(text, found)
        batch = self._edited(batch, found)
        names = self._types()
        owner = np.repeat(np.arange(len(text)), np.diff(found.first))
        counts = np.bincount(owner * len(names) + _TYPE[found.kind], minlength=len(text) * len(names))
        table = counts.reshape(len(text), len(names))
        columns = {name: table[:, place] for place, name in enumerate(names)}
        return self.with_signals(batch, count=table.sum(axis=1), spans=_spans(found, offsets), **columns)

    def _types(self) -> list[str]:
        return TYPES if self.engine == "rules" else _ALL_TYPES

    def _with_engine(self, text: pa.Array, ours: Found) -> Found:
        """What our rules found, and what the engine found beside it."""
        from curate.kernels.pii import Found

        engine = engine_of(self.name, self.engine, self.model or BLANK, self.language, self.least_score)
        data, offsets = buffers(text)
        wanted, rows = self.types or _USUAL, []
        for row, value in enumerate(text.to_pylist()):
            own = range(ours.first[row], ours.first[row + 1])
            taken = [(int(ours.start[k]), int(ours.stop[k]), int(ours.kind[k])) for k in own]
            spans = [span for span in engine.spans(value) if span.type in wanted] if value and value.strip() else []
            # where each character begins
            raw = data[offsets[row] : offsets[row + 1]]
            byte = np.append(np.flatnonzero(raw & 0xC0 != 0x80), len(raw)) + offsets[row]
            for span in settled(spans):
                start, stop = int(byte[span.start]), int(byte[span.stop])
                if stop > start and all(stop <= a or start >= b for a, b, _ in taken[: len(own)]):
                    taken.append((start, stop, len(NAMES) + _ALL_TYPES.index(span.type)))
            rows.append(sorted(taken))
        flat = np.array([place for row in rows for place in row], np.int32).reshape(-1, 3)
        first = np.cumsum([0, *map(len, rows)])
        return Found(flat[:, 0].copy(), flat[:, 1].copy(), flat[:, 2].copy(), first)

    def _edited(self, batch: pa.RecordBatch, found: Found) -> pa.RecordBatch:
        """The batch with what was found replaced."""
        from curate.kernels.masking import replace_each

        if self.action == "keep" or not len(found.start):
            return batch
        text = batch.column("text")
        data, offsets = buffers(text)
        if self.action == "mask":
            texts, which = [self.placeholder.replace("{type}", name.upper()) for name in _ALL_TYPES], _TYPE[found.kind]
        else:
            texts, which = self._stand_ins(data, found), np.arange(len(found.start))
        edited = from_buffers(*replace_each(data, offsets, found.start, found.stop, found.first, texts, which))
        return set_column(batch, "text", pc.if_else(text.is_null(), None, edited) if text.null_count else edited)

    def _stand_ins(self, data: Bytes, found: Found) -> list[str]:
        key = self._secret()
        return [
            _pseudonym(key, _ALL_NAMES[kind], data[start:stop].tobytes().decode("utf-8", "replace"))
            for kind, start, stop in zip(found.kind, found.start, found.stop, strict=True)
        ]

    def _secret(self) -> bytes:
        value = os.environ.get(self.key or "", "").encode()
        if len(value) < 16:
            state = "is not set" if not value else "has fewer than 16 characters"
            hint = f"export {self.key}=$(openssl rand -hex 16), and keep it: another key makes other pseudonyms"
            raise MissingAsset(self.name, f"the environment variable {self.key} {state}", hint)
        # BLAKE2b takes keys of up to 64 bytes
        return hashlib.blake2b(value, digest_size=32).digest()


_pseudonym = functools.lru_cache(4096)(pseudonym)


def _spans(found: Found, offsets: np.ndarray) -> list[str]:
    """What stands where in each text, in bytes from its beginning."""
    lines = [""] * (len(offsets) - 1)
    for text in np.flatnonzero(np.diff(found.first)):
        places = range(found.first[text], found.first[text + 1])
        edges = (
            (_ALL_NAMES[found.kind[k]], found.start[k] - offsets[text], found.stop[k] - offsets[text]) for k in places
        )
        lines[text] = ", ".join(f"{name} {start}-{stop}" for name, start, stop in edges)
    return lines
