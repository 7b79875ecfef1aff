"""`extract`: the main text of raw pages, with title, date and declared language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curate import watch
from curate.documents import RAW, drop_columns, set_column
from curate.errors import MissingAsset
from curate.settings import Size
from curate.steps import own_extraction, pdf
from curate.steps.charset import decode_page
from curate.steps.nesting import deeper_than
from curate.steps.step import Signal, Step
from curate.text import clean_surrogates

PDF_TYPE = "application/pdf"
HTML_TYPES = ("text/html", "application/xhtml+xml")
# The first of these that a page has is its date.
DATES = ", ".join(
    f'meta[{attribute}="{name}"]'
    for attribute, name in (
        ("property", "article:published_time"),
        ("itemprop", "datePublished"),
        ("name", "date"),
        ("name", "dcterms.date"),
        ("name", "DC.date.issued"),
    )
)


class Page(NamedTuple):
    """What became of one raw page; the fields are those of the row, `lang` and below those of its signals."""

    text: str | None = None
    title: str | None = None
    date: str | None = None
    error: str | None = None
    lang: str = ""
    encoding: str = ""
    replaced: int = 0


Engine = Callable[[str], Page]


class Extract(Step):
    """Turn raw pages and PDF files into their main text; title, date and declared language come along.

    The engine `curate` reads a batch of pages in one pass over their bytes: blocks of text part at block-level tags, what is
    hidden, navigation, footers and buttons is left out, and boosted trees say of each other block how likely it is main
    text, by its text, tags, class names and containers, in any language (docs/EXTRACTION.md). The blocks are chosen for
    which the expected F1 is highest: `favor` shifts it to precision or recall. Kept of a forum or a blog's front page are the
    posts, of documentation the text with its code and tables, of a page of products or links the longer descriptions;
    what the model is unsure of shows in `confidence`.

    A page from which nothing was extracted has an empty text. Pages above a limit, and those on which the engine
    fails, are quarantined. Records that are text already pass unchanged.
    """

    kind: ClassVar[str] = "extract"
    version: ClassVar[int] = 8
    source: ClassVar[str] = (
        "curate: boosted oblivious trees over blocks of text (pipelines/extraction_model.py); "
        "resiliparse: Bevendorff et al., ECIR 2018; trafilatura: Barbaresi, ACL 2021, "
        "with the options of FineWeb (arXiv 2406.17557) as `favor: precision`"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "html_bytes": Signal(pa.int32(), "length of the raw page in bytes"),
        "html_lang": Signal(pa.string(), "the language that the page declares, `<html lang>`; may be empty"),
        "encoding": Signal(pa.string(), "the character encoding that was used"),
        "replaced": Signal(pa.int32(), "characters that were invalid and became U+FFFD"),
    }
    reads_raw: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("content",)

    engine: Literal["curate", "resiliparse", "trafilatura"] = Field(
        "curate",
        description="curate: our own, a model over blocks of text at kernel speed; or resiliparse; or trafilatura (an extra)",
    )
    output: Literal["text", "markdown"] = Field("text", description="plain text, or Markdown (curate, trafilatura)")
    favor: Literal["precision", "recall", "balanced"] = Field(
        "balanced", description="what to do with passages in doubt (curate, trafilatura)"
    )
    main_content: bool = Field(True, description="main content alone, else all visible text (curate, resiliparse)")
    alt_texts: bool = Field(False, description="keep alternative texts of images (resiliparse)")
    links: bool = Field(False, description="keep link targets (resiliparse, trafilatura)")
    list_bullets: bool = Field(True, description="a bullet or number before list items (curate, resiliparse)")
    comments: bool = Field(False, description="keep readers' comments (resiliparse, trafilatura)")
    tables: bool = Field(True, description="keep tables (trafilatura)")
    max_bytes: Size = Field(8 << 20, gt=0, description="a raw page above this length in bytes is quarantined")
    max_depth: int = Field(
        2000, gt=0, description="a page with elements nested deeper than this is quarantined (resiliparse, trafilatura)"
    )
    timeout: float = Field(
        20.0,
        gt=0,
        description="seconds of processor time that a page may take, else quarantined (not our own engine, linear in bytes)",
    )

    @model_validator(mode="after")
    def _has_engine(self) -> Self:
        if self.output == "markdown" and self.engine == "resiliparse":
            raise ValueError("output: markdown needs engine: curate or trafilatura, resiliparse gives plain text")
        return self

    def signals(self) -> Mapping[str, Signal]:
        """The fixed signals, and with our own engine those of its model and of the page's head."""
        return {**self.SIGNALS, **(own_extraction.SIGNALS if self.engine == "curate" else {})}

    def assets(self) -> dict[str, str]:
        """The versions of the packages whose code decides the text, or the hash of our own model."""
        packages = ["resiliparse", *(["trafilatura", "lxml"] if self.engine == "trafilatura" else [])]
        model = _model() if self.engine == "curate" else {}
        try:
            versions = {package: version(package) for package in packages}
        except PackageNotFoundError as error:
            what = f"the package `{error.name}` is not installed"
            raise MissingAsset(self.name, what, "pip install 'curate[trafilatura]'") from error
        return model | versions | {pdf.PACKAGE: pdf.installed() or "none"}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Raw pages -> `text`, `title`, `date` (where the record has none), `error`; the RAW columns go."""
        if self.engine == "curate":
            return self._process_at_once(batch)
        columns = [batch.column(name).to_pylist() for name in ("row", "content", "media_type", "charset")]
        old = [batch.column(name).to_pylist() for name in ("text", "title", "date", "error")]
        engine = _trafilatura(self) if self.engine == "trafilatura" else _resiliparse(self)
        pages = []
        try:
            for row, content, media_type, charset, *before in zip(*columns, *old, strict=True):
                if content is None or before[3] is not None:
                    pages.append(Page(*before))
                    continue
                watch.mark(row, self.timeout)
                page = self._page(engine, content, media_type, charset)
                pages.append(page._replace(title=before[1] or page.title, date=before[2] or page.date))
        finally:
            watch.clear()
        for name in ("text", "title", "date", "error"):
            batch = set_column(batch, name, _strings([getattr(page, name) for page in pages]))
        sizes = [0 if content is None else len(content) for content in columns[1]]
        return self.with_signals(
            drop_columns(batch, RAW.names),
            html_bytes=sizes,
            html_lang=_strings([page.lang for page in pages]),
            encoding=[page.encoding for page in pages],
            replaced=[page.replaced for page in pages],
        )

    def _process_at_once(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """As `process`, with our own engine: HTML pages in one call, other raw pages one by one."""
        from curate.extraction import engine
        from curate.extraction.model import shipped

        fresh = np.asarray(pc.and_(pc.is_valid(batch["content"]), pc.is_null(batch["error"])))
        sizes = own_extraction.sizes(batch["content"])
        of_type = pc.fill_null(pc.is_in(batch["media_type"], pa.array(HTML_TYPES)), False)
        html = fresh & np.asarray(of_type) & (sizes <= self.max_bytes)
        merged = own_extraction.Merged(html, fresh & ~html)
        utf8 = own_extraction.in_utf8(merged.of_html(batch["content"]), merged.of_html(batch["charset"]))
        found = engine.extract(
            utf8.pages, shipped(), favor=self.favor, whole=not self.main_content, markdown=self.output == "markdown",
            bullets=self.list_bullets,
        )  # fmt: skip
        pages = []
        for page in merged.of_rest(batch.select(["row", "content", "media_type", "charset"])).to_pylist():
            watch.mark(page["row"], self.timeout)
            pages.append(self._page(_no_engine, page["content"], page["media_type"], page["charset"]))
        watch.clear()
        column = merged.column
        too_much = f"extract: more than {engine.MOST_MARKUP:,} tags"
        errors = pa.array([too_much if skipped else None for skipped in found.skipped], pa.string())
        title, date = (own_extraction.known(found.fields[name]) for name in ("title", "date"))
        batch = own_extraction.with_columns(batch, {
            "text": column(batch["text"], found.text, [page.text for page in pages]),
            "title": pc.coalesce(batch["title"], column(batch["title"], title, [page.title for page in pages])),
            "date": pc.coalesce(batch["date"], column(batch["date"], date, [page.date for page in pages])),
            "error": column(batch["error"], errors, [page.error for page in pages]),
        })  # fmt: skip
        held = own_extraction.of_model(found) | {
            "html_lang": own_extraction.lower(found.fields["lang"]), "encoding": pa.array(utf8.encoding, pa.string()),
            "replaced": pa.array(utf8.replaced, pa.int32()),
        }  # fmt: skip
        others = {"html_lang": "lang", "encoding": "encoding", "replaced": "replaced"}
        signals: dict[str, Any] = {"html_bytes": sizes}
        for name, values in held.items():
            old = own_extraction.empty(self.signals()[name], batch.num_rows)
            signals[name] = column(
                old, values, [getattr(page, others[name]) for page in pages] if name in others else []
            )
        return self.with_signals(drop_columns(batch, RAW.names), **signals)

    def _page(self, engine: Engine, content: bytes, media_type: str | None, charset: str | None) -> Page:
        """What becomes of one raw page."""
        if len(content) > self.max_bytes:
            return Page(error=f"extract: a page of {len(content)} bytes, above max_bytes: {self.max_bytes}")
        html = media_type in HTML_TYPES
        if media_type == PDF_TYPE:
            return _pdf(content)
        if not html and not (media_type or "").startswith("text/"):
            return Page(error=f"extract: no engine for {media_type}")
        characters, encoding, replaced = decode_page(content, charset, html=html)
        if not html:
            return Page(text=characters, encoding=encoding, replaced=replaced)
        if deeper_than(content, self.max_depth):
            return Page(error=f"extract: elements nested deeper than max_depth: {self.max_depth}")
        try:
            page = engine(characters)
        except Exception as error:  # whatever an engine trips over costs one page, and is on record
            return Page(error=f"extract: {self.engine} failed: {type(error).__name__}: {error}")
        return page._replace(encoding=encoding, replaced=replaced)


def _model() -> dict[str, str]:
    from curate.extraction.model import shipped_hash

    return {"model": shipped_hash()}


def _no_engine(html: str) -> Page:
    raise RuntimeError("HTML pages are read in one call")


def _pdf(content: bytes) -> Page:
    try:
        found = pdf.read_pdf(content)
    except pdf.UnreadablePdf as error:
        return Page(error=f"extract: {error}")
    text, replaced = clean_surrogates(found.text)
    return Page(text, found.title, found.date, encoding="pdf", replaced=replaced)


def _strings(values: list[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([value and clean_surrogates(value)[0] for value in values], pa.string())


def _head(tree: Any) -> Page:
    """Title, date and declared language of a parsed page."""
    root, dated = tree.document.query_selector("html"), tree.document.query_selector(DATES)
    title = " ".join((tree.title or "").split())
    return Page(
        title=title or None,
        date=((dated.getattr("content") if dated else None) or "").strip() or None,
        lang=((root.getattr("lang") if root else None) or "").strip().lower(),
    )


def _resiliparse(settings: Extract) -> Engine:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    def page(html: str) -> Page:
        tree = HTMLTree.parse(html)
        text = extract_plain_text(
            tree, main_content=settings.main_content, alt_texts=settings.alt_texts, links=settings.links,
            list_bullets=settings.list_bullets, comments=settings.comments,
        )  # fmt: skip
        return _head(tree)._replace(text=text)

    return page


def _trafilatura(settings: Extract) -> Engine:
    import logging

    try:
        from trafilatura import extract
    except ImportError as error:
        raise MissingAsset(settings.name, str(error), "pip install 'curate[trafilatura]'") from error
    from resiliparse.parse.html import HTMLTree

    # it logs a line for every page without text
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)

    def page(html: str) -> Page:
        text = extract(
            html, favor_precision=settings.favor == "precision", favor_recall=settings.favor == "recall",
            include_comments=settings.comments, include_tables=settings.tables, include_links=settings.links,
            output_format="markdown" if settings.output == "markdown" else "txt",
        )  # fmt: skip
        return _head(HTMLTree.parse(html))._replace(text=text or "")

    return page
