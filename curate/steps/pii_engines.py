"""Other finders of personal data for the step `pii`: Presidio, GLiNER. Imported where used."""

from __future__ import annotations

import bisect
import functools
import importlib.util
import logging
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from curate.errors import MissingAsset
from curate.files import file_sha256
from curate.sentences import sentence_spans

INSTALL = {"presidio": "pip install 'curate[presidio]'", "gliner": "pip install gliner"}
PACKAGES = {"presidio": ("presidio_analyzer", "spacy"), "gliner": ("gliner",)}
#: a spaCy pipeline without a model: Presidio then has its patterns, and finds no names
BLANK = "blank"
#: types that only these engines find; `ours` are those of `kernels.pii_kinds`
ENGINE_TYPES = ("person", "location", "organization", "date", "other")
_PRESIDIO = {
    "EMAIL_ADDRESS": "email", "EMAIL": "email", "PHONE_NUMBER": "phone", "IP_ADDRESS": "ip", "IBAN_CODE": "iban",
    "CREDIT_CARD": "card", "PERSON": "person", "LOCATION": "location", "GPE": "location", "ORGANIZATION": "organization",
    "ORG": "organization", "DATE_TIME": "date",
}  # fmt: skip
#: what GLiNER is asked for -> our type
_GLINER = {
    "person": "person", "address": "location", "city": "location", "organization": "organization", "email address": "email",
    "phone number": "phone", "ip address": "ip", "bank account number": "iban", "credit card number": "card",
    "social security number": "national_id", "passport number": "national_id", "driver license number": "national_id",
    "password": "secret", "date of birth": "date",
}  # fmt: skip
# Words of a text that GLiNER sees at once; its models were trained on up to 384.
_WINDOW = 200


class Span(NamedTuple):
    """Characters `start` to `stop` of a text, of a type."""

    start: int
    stop: int
    type: str


class Engine(Protocol):
    """What finds personal data in one text."""

    def spans(self, text: str) -> list[Span]:
        """The spans, in any order; they may overlap."""
        ...


def engine_asset(where: str, engine: str, model: str) -> dict[str, str]:
    """What names the engine and its model. Raises MissingAsset."""
    for package in PACKAGES[engine]:
        if importlib.util.find_spec(package) is None:
            raise MissingAsset(where, f"engine {engine} needs the package {package}", INSTALL[engine])
    if engine == "gliner":
        folder = _gliner_folder(where, model)
        weights = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".json"))
        return {"gliner": version("gliner")} | {path.name: file_sha256(path) for path in weights}
    found = {"presidio": version("presidio-analyzer"), "spacy": version("spacy")}
    if model == BLANK:
        return found
    if importlib.util.find_spec(model) is None and not Path(model).is_dir():
        hint = f"python -m spacy download {model}; or pip install a package with a model; or `model: {BLANK}`, without names"
        raise MissingAsset(where, f"there is no spaCy model {model}", hint)
    return found | {model: _spacy_version(model)}


def engine_of(where: str, engine: str, model: str, language: str, least: float) -> Engine:
    """The engine, loaded once a process. Raises MissingAsset."""
    engine_asset(where, engine, model)
    if engine == "presidio":
        return _presidio(model, language, least)
    return _gliner(str(_gliner_folder(where, model)), least)


def _spacy_version(model: str) -> str:
    folder = Path(model)
    if not folder.is_dir():
        spec = importlib.util.find_spec(model)
        folder = Path(next(iter((spec and spec.submodule_search_locations) or ["."])))
    return " ".join(
        file_sha256(path)[:16] for path in sorted(folder.rglob("meta.json")) + sorted(folder.rglob("model"))
    )


class Presidio:
    """Presidio's analyzer with its predefined recognizers for one language."""

    def __init__(self, model: str, language: str, least: float) -> None:
        """`model` is a spaCy package or folder, or `blank`; spans that score less than `least` are left out."""
        import spacy
        import tldextract
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import SpacyNlpEngine

        # it warns of each recognizer of another language
        logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
        # its e-mail recognizer would fetch the list of public suffixes: the packaged one gives the same spans every day
        tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
        loaded = spacy.blank(language) if model == BLANK else spacy.load(model)

        class Loaded(SpacyNlpEngine):  # type: ignore[misc]
            """The engine over a pipeline that is loaded already."""

            def __init__(self) -> None:
                super().__init__(models=[{"lang_code": language, "model_name": model}])
                self.nlp: Any = {language: loaded}

            def load(self) -> None:
                """Nothing to load."""

        self._analyzer: Any = AnalyzerEngine(nlp_engine=Loaded(), supported_languages=[language])
        self._language, self._least, self._most = language, least, loaded.max_length

    def spans(self, text: str) -> list[Span]:
        """What Presidio finds; in texts beyond spaCy's limit part by part."""
        found = []
        for start in range(0, len(text), self._most):
            part = text[start : start + self._most]
            for hit in self._analyzer.analyze(part, self._language, score_threshold=self._least):
                found.append(Span(start + hit.start, start + hit.end, presidio_type(hit.entity_type)))
        return found


def presidio_type(entity: str) -> str:
    """Our type of an entity of Presidio's: ids of a country (US_SSN, UK_NHS) are national ids."""
    known = _PRESIDIO.get(entity)
    return known or ("national_id" if re.match("[A-Z]{2}_", entity) else "other")


class Gliner:
    """A GLiNER model asked for the entities of `_GLINER`, in windows of whole sentences."""

    def __init__(self, folder: str, least: float) -> None:
        """`folder` holds the weights; spans that score less than `least` are left out."""
        from gliner import GLiNER

        self._model: Any = GLiNER.from_pretrained(folder, local_files_only=True)
        self._least = least

    def spans(self, text: str) -> list[Span]:
        """What the model finds."""
        found = []
        for start, stop in windows(text):
            for hit in self._model.predict_entities(text[start:stop], list(_GLINER), threshold=self._least):
                found.append(Span(start + hit["start"], start + hit["end"], _GLINER[hit["label"]]))
        return found


def windows(text: str, words: int = _WINDOW) -> list[tuple[int, int]]:
    """(start, stop) of runs of sentences with at most so many words each; a longer sentence is cut between words."""
    pieces: list[tuple[int, int, int]] = []
    for start, stop in sentence_spans(text):
        edges = [start + match.start() for match in re.finditer(r"\S+", text[start:stop])]
        cuts = [*edges[::words], stop]
        counts = [words] * (len(cuts) - 2) + [len(edges) - words * (len(cuts) - 2)]
        pieces += [(a, b, n) for a, b, n in zip(cuts, cuts[1:], counts, strict=False)]
    found: list[tuple[int, int, int]] = []
    for start, stop, count in pieces:
        if found and found[-1][2] + count <= words:
            found[-1] = (found[-1][0], stop, found[-1][2] + count)
        else:
            found.append((start, stop, count))
    return [(start, stop) for start, stop, _ in found]


def _gliner_folder(where: str, model: str) -> Path:
    if (Path(model) / "gliner_config.json").is_file():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise MissingAsset(
            where, f"there is no GLiNER model {model} on this machine", f"hf download {model}"
        ) from error


_presidio = functools.lru_cache(2)(Presidio)
_gliner = functools.lru_cache(2)(Gliner)


def settled(found: Sequence[Span]) -> list[Span]:
    """Spans that do not overlap, ascending: of two that do, the longer counts, then the first."""
    kept: list[Span] = []
    for span in sorted(found, key=lambda span: (span.start - span.stop, span)):
        place = bisect.bisect(kept, span)
        before, after = kept[place - 1 : place], kept[place : place + 1]
        if all(other.stop <= span.start for other in before) and all(other.start >= span.stop for other in after):
            kept.insert(place, span)
    return kept
