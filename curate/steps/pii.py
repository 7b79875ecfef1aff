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
from curate.steps.pseudonyms import pseudonym
from curate.steps.step import Bound, Filter, Signal, bounded
from curate.text import Bytes, buffers, from_buffers

if TYPE_CHECKING:
    from curate.kernels.pii import Found

Type = Literal["email", "phone", "ip", "iban", "card", "national_id", "secret", "url_credentials"]
_TYPE = np.array([TYPES.index(name) for name in KINDS.values()])
_COUNT = pa.int32()


@bounded
class Pii(Filter):
    """Find e-mail addresses, telephone and card numbers, public IP addresses, IBANs, national ids, keys and passwords.

    Each kind has exact rules: check digits where there are any (Luhn, mod 97, Verhoeff), the prefixes of tokens, the
    shapes of telephone numbers. A number that could be anything counts only beside a word such as `phone`. Names and
    street addresses are not looked for. National ids are those of the US (SSN), India (Aadhaar, PAN), Brazil (CPF),
    China, Spain (DNI, NIE), Italy (codice fiscale), the UK (NINO, NHS) and Canada (SIN).
    """

    kind: ClassVar[str] = "pii"
    version: ClassVar[int] = 1
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
    types: list[Type] | None = Field(None, description="what to look for; all if absent")
    action: Literal["mask", "pseudonym", "keep"] = Field(
        "mask", description="put `placeholder` in its place, or a stand-in that is always the same, or change nothing"
    )
    placeholder: str = Field("[{type}]", description="{type} is the type in capitals: [EMAIL], [NATIONAL_ID]")
    key: str | None = Field(
        None, description="the environment variable that holds the secret key of pseudonyms (16 characters or more)"
    )

    @model_validator(mode="after")
    def _has_key(self) -> Self:
        if self.action == "pseudonym" and not self.key:
            raise ValueError("action: pseudonym needs `key`, the name of an environment variable with a secret")
        return self

    def assets(self) -> dict[str, str]:
        """A hash of the key of pseudonyms, so that another key makes another text."""
        if self.action != "pseudonym":
            return {}
        return {"key": hashlib.blake2b(b"fingerprint", key=self._secret(), digest_size=16).hexdigest()}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; replaces what is found in `text` unless told to keep it. A null text stays null."""
        from curate.kernels.pii import find_pii

        text = batch.column("text")
        data, offsets = buffers(text)
        wanted = np.array([name in (self.types or TYPES) for name in KINDS.values()])
        found = find_pii(data, offsets, wanted)
        batch = self._edited(batch, found)
        owner = np.repeat(np.arange(len(text)), np.diff(found.first))
        counts = np.bincount(owner * len(TYPES) + _TYPE[found.kind], minlength=len(text) * len(TYPES))
        table = counts.reshape(len(text), len(TYPES))
        columns = {name: table[:, place] for place, name in enumerate(TYPES)}
        return self.with_signals(batch, count=table.sum(axis=1), spans=_spans(found, offsets), **columns)

    def _edited(self, batch: pa.RecordBatch, found: Found) -> pa.RecordBatch:
        """The batch with what was found replaced."""
        from curate.kernels.masking import replace_each

        if self.action == "keep" or not len(found.start):
            return batch
        text = batch.column("text")
        data, offsets = buffers(text)
        if self.action == "mask":
            texts, which = [self.placeholder.replace("{type}", name.upper()) for name in TYPES], _TYPE[found.kind]
        else:
            texts, which = self._stand_ins(data, found), np.arange(len(found.start))
        edited = from_buffers(*replace_each(data, offsets, found.start, found.stop, found.first, texts, which))
        return set_column(batch, "text", pc.if_else(text.is_null(), None, edited) if text.null_count else edited)

    def _stand_ins(self, data: Bytes, found: Found) -> list[str]:
        key = self._secret()
        return [
            _pseudonym(key, NAMES[kind], data[start:stop].tobytes().decode("utf-8", "replace"))
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
        edges = ((NAMES[found.kind[k]], found.start[k] - offsets[text], found.stop[k] - offsets[text]) for k in places)
        lines[text] = ", ".join(f"{name} {start}-{stop}" for name, start, stop in edges)
    return lines
