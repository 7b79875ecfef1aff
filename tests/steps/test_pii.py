"""The step `pii`: what it counts, masks, replaces and drops."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from corpora import curate, manifest, pipeline, run_ok, write_jsonl
from pydantic import ValidationError

from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.steps.pii import Pii
from curate.steps.pseudonyms import pseudonym

SYNTHETIC = Path(__file__).parents[3] / "shared" / "data" / "pii" / "presidio_synth_v2.jsonl.gz"
KEY = "CURATE_TEST_PII_KEY"


def _run(texts: list[str | None], **settings: Any) -> tuple[list[Any], list[Any]]:
    made = Pii.model_validate(settings).process(document_batch([{"row": i, "text": t} for i, t in enumerate(texts)]))
    return made["pii"].to_pylist(), made["text"].to_pylist()


def test_each_type_is_counted_and_masked_by_its_name() -> None:
    signals, texts = _run(["é a@b.org, 905-674-3793 x", None, "", "https://u:p@h.net SSN 078-05-1120"])
    assert texts == ["é [EMAIL], [PHONE] x", None, "", "https://[URL_CREDENTIALS]@h.net SSN [NATIONAL_ID]"]
    assert [(row["count"], row["email"], row["phone"], row["national_id"]) for row in signals] == [
        (2, 1, 1, 0), (0, 0, 0, 0), (0, 0, 0, 0), (2, 0, 0, 1),
    ]  # fmt: skip
    assert signals[0]["spans"] == "email 3-10, phone 12-24" and signals[1]["spans"] == ""


def test_brackets_around_a_number_stay() -> None:
    texts = ["call (905-674-3793), (905) 674-3793; f(905-674-3793)", "(+1 905 674 3793)"]
    assert _run(texts)[1] == ["call ([PHONE]), [PHONE]; f(905-674-3793)", "([PHONE])"]


def test_types_action_and_placeholder_are_settings() -> None:
    text = "a@b.org 905-674-3793"
    assert _run([text], types=["phone"], placeholder="|||{type}|||")[1] == ["a@b.org |||PHONE|||"]
    signals, texts = _run([text], action="keep")
    assert texts == [text] and signals[0]["count"] == 2


def test_a_value_has_one_pseudonym_that_depends_on_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "a key of sixteen")
    settings = {"action": "pseudonym", "key": KEY}
    _, (first, second) = _run(["Ann@b.org and c@b.org", "write ann@b.org"], **settings)
    ann, other = first.split(" and ")
    assert second == f"write {ann}" and other != ann and ann.endswith("@example.com")
    before = Pii.model_validate(settings).assets()
    monkeypatch.setenv(KEY, "another key of 16")
    assert _run(["write ann@b.org"], **settings)[1] != [second]
    assert Pii.model_validate(settings).assets() != before


@pytest.mark.parametrize(
    ("kind", "value", "shape"),
    [
        ("phone", "905-674-3793", r"\+999 \d{3} \d{3} \d{4}"),
        ("ipv4", "8.8.8.8", r"10\.\d+\.\d+\.\d+"),
        ("ipv6", "2606:2800:220:1:248:1893:25c8:1946", r"2001:db8(:[0-9a-f]+){6}"),
        ("us_ssn", "078-05-1120", r"9\d\d-0[1-9]-\d{4}"),
        ("in_aadhaar", "2341 2341 2346", r"1\d{3} \d{4} \d{4}"),
        ("card", "4111 1111 1111 1111", r"0\d{3} \d{4} \d{4} \d{4}"),
        ("iban", "DE89 3704 0044 0532 0130 00", r"DE\d\d \d{4} \d{4} \d{4} \d{4} \d\d"),
        ("github_token", "ghp_" + "aB3" * 12, r"[a-z]{3}_([a-z][A-Z]\d){12}"),
        ("url_credentials", "ann:secret", r"user\d{6}:[0-9a-f]{16}"),
    ],
)
def test_pseudonyms_look_like_what_they_stand_for(kind: str, value: str, shape: str) -> None:
    import re

    made = [pseudonym(f"key {i}".encode(), kind, value) for i in range(50)]
    assert all(re.fullmatch(shape, text) for text in made) and len(set(made)) == 50
    if kind == "iban":
        assert all(_run([text], types=["iban"])[0][0]["iban"] == 1 for text in made)
    if kind == "card":
        assert all(_run([f"card {text}"], types=["card"])[0][0]["card"] == 1 for text in made)


def test_pseudonyms_need_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="needs `key`"):
        Pii.model_validate({"action": "pseudonym"})
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(MissingAsset, match=f"{KEY} is not set[\\s\\S]*export {KEY}="):
        Pii.model_validate({"action": "pseudonym", "key": KEY}).assets()


def test_a_pipeline_masks_drops_and_explains(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    many = " ".join(f"u{i}@example.org" for i in range(6))
    rows = [{"id": "many", "text": many}, {"id": "one", "text": "write to u@example.org"}, {"id": "none", "text": "x"}]
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    file = pipeline(tmp_path, "[{pii: {preset: dolma}}]")
    run_ok(file)
    assert manifest(tmp_path / "out")["documents"] == {"in": 3, "made": 0, "kept": 2, "dropped": 1, "quarantined": 0}
    explained = curate("explain", tmp_path / "out", "many").stdout
    assert "FAIL count" in explained and "email 0-14, email 15-29" in explained


def test_a_missing_key_stops_a_run_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": "1", "text": "x"}])
    done = curate("run", pipeline(tmp_path, f"[{{pii: {{action: pseudonym, key: {KEY}}}}}]"))
    assert done.returncode == 2 and "is not set" in done.stderr and not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.skipif(not SYNTHETIC.exists(), reason="the shared data are not here")
def test_synthetic_persons_are_found() -> None:
    types = {
        "CREDIT_CARD": "card", "EMAIL_ADDRESS": "email", "IBAN_CODE": "iban", "IP_ADDRESS": "ip", "US_SSN": "national_id",
        "PHONE_NUMBER": "phone",
    }  # fmt: skip
    with gzip.open(SYNTHETIC, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    signals, _ = _run([row["text"] for row in rows])
    missed = made = 0
    for row, found in zip(rows, signals, strict=True):
        for kind in set(types.values()):
            gold = sum(types.get(span["type"]) == kind for span in row["spans"])
            missed += max(0, gold - found[kind])
            made += max(0, found[kind] - gold)
    assert sum(span["type"] in types for row in rows for span in row["spans"]) == 328
    assert missed <= 3 and made <= 3
