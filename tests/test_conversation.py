"""Conversations in every usual shape become one schema, ride along to the shards, and follow every edit of the text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora import manifest, pipeline, run_ok, write_jsonl
from hypothesis import given
from hypothesis import strategies as st

from curate.conversation import MESSAGES, BadConversation, conversation, missing_conversation, render
from curate.documents import DOCUMENT, document_batch
from curate.flow import run_steps
from curate.readers import FORMATS
from curate.readers.reader import Piece, ReadSettings, Tally
from curate.steps.normalize import Normalize

TALK = [("user", "How deep is the sea?"), ("assistant", "Some 3.7 km on average.")]
SHAPES: dict[str, dict[str, Any]] = {
    "messages": {"messages": [{"role": role, "content": text} for role, text in TALK]},
    "sharegpt": {"conversations": [{"from": who, "value": text} for who, (_, text) in zip(("human", "gpt"), TALK, strict=True)]},
    "parts": {"messages": [{"role": r, "content": [{"type": "text", "text": t}]} for r, t in TALK]},
    "alpaca": {"instruction": TALK[0][1], "input": "", "output": TALK[1][1]},
    "pairs": {"prompt": TALK[0][1], "completion": TALK[1][1]},
    "openorca": {"system_prompt": "", "question": TALK[0][1], "response": TALK[1][1]},
    "input and output": {"input": TALK[0][1], "output": TALK[1][1]},
    "a list in a string": {"conversations": json.dumps([{"from": "human", "value": TALK[0][1]}, {"from": "gpt", "value": TALK[1][1]}])},
    "nulls": {"messages": None, "question": TALK[0][1], "context": None, "answer": TALK[1][1]},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_becomes_the_same_conversation(shape: str) -> None:
    assert conversation(SHAPES[shape]) == TALK
    assert missing_conversation(list(SHAPES[shape]), "auto") is None


def test_systems_inputs_histories_and_tools() -> None:
    alpaca = {"instruction": "Add.", "input": "1 2", "output": "3", "system": "Be brief.", "history": [["Hi", "Hello"]]}
    assert conversation(alpaca) == [
        ("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Add.\n\n1 2"), ("assistant", "3")
    ]  # fmt: skip
    orca = {"system_prompt": "Be brief.", "question": "1 + 2?", "response": "3"}
    assert conversation(orca) == [("system", "Be brief."), ("user", "1 + 2?"), ("assistant", "3")]
    call = [{"type": "function", "function": {"name": "add", "arguments": "{}"}}]
    talk = {"messages": [
        {"role": "developer", "content": "Use tools."}, {"role": "user", "content": "1 + 2?"},
        {"role": "assistant", "content": None, "tool_calls": call}, {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "It is 3."},
    ]}  # fmt: skip
    found = conversation(talk)
    assert [role for role, _ in found] == ["system", "user", "assistant", "tool", "assistant"]
    assert json.loads(found[2].content) == call
    shared = [{"from": who, "value": "x"} for who in ("system", "human", "function_call", "observation", "gpt")]
    assert [role for role, _ in conversation({"turns": shared}, "turns")] == [role for role, _ in found]
    assert render(found[3:]) == "Tool: 3\n\nAssistant: It is 3."


def _talk(*roles: str) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": "x"} for role in roles]}


BAD = [
    ({"text": "no talk"}, "no conversation: needs `messages`"),
    ({"messages": []}, "messages is empty"),
    ({"messages": "a string"}, "messages is no list of messages"),
    ({"messages": ["x"]}, "messages[0] is no object"),
    ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0]: the role `narrator` is not one of system"),
    ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0]: the role"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages[0]: the content of user is empty"),
    ({"messages": [{"role": "user", "content": 3}]}, "messages[0]: the content is int, not a string"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "a part of the content is `image_url`"),
    (_talk("assistant", "user"), "message 0 is from assistant at the beginning, where system or user may stand"),
    (_talk("user", "user"), "message 1 is from user behind user, where assistant may stand"),
    (_talk("user", "assistant", "user"), "it ends behind user, where assistant may stand"),
    (_talk("user", "assistant", "tool"), "it ends behind tool, where tool or assistant may stand"),
    (_talk("user", "assistant", "system"), "message 2 is from system behind assistant"),
    ({"instruction": "x", "input": "", "output": " "}, "output is empty"),
    ({"instruction": "x", "input": 3, "output": "y"}, "input is int, not a string"),
    ({"instruction": "x", "output": "y", "history": [["a"]]}, "history is no list of pairs"),
]


@pytest.mark.parametrize(("record", "why"), BAD)
def test_bad_conversations_say_why(record: dict[str, Any], why: str) -> None:
    with pytest.raises(BadConversation) as error:
        conversation(record)
    assert why in str(error.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["user", "gpt", "system"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "from", "content", "value", "messages", "instruction", "output", "text"]), inner)
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["messages", "instruction", "output", "system", "history", "input"]), anything))
def test_any_record_is_a_conversation_or_says_why(record: dict[str, Any]) -> None:
    try:
        found = conversation(record)
    except BadConversation as error:
        assert str(error)
        return
    assert found[-1].role == "assistant" and all(role and text.strip() for role, text in found)


def test_tables_and_lines_give_the_same(tmp_path: Path) -> None:
    records = [
        {"id": "a", "conversations": SHAPES["sharegpt"]["conversations"], "category": "sea", "level": 3},
        {"id": "b", "conversations": [{"from": "gpt", "value": "I begin."}], "category": None, "level": 1},
    ]
    write_jsonl(tmp_path / "x.jsonl", records)
    (tmp_path / "x.json").write_text(json.dumps(records, indent=1))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "x.parquet")
    with pa.ipc.new_stream(str(tmp_path / "x.arrow"), (table := pa.Table.from_pylist(records)).schema) as writer:
        writer.write_table(table)
    for name, format in (("x.jsonl", "jsonl"), ("x.json", "jsonl"), ("x.parquet", "parquet"), ("x.arrow", "arrow")):
        settings = ReadSettings("s", format, chat="auto", metadata=("category", "level"))
        assert FORMATS[format].check(str(tmp_path / name), settings) is None
        (batch,) = FORMATS[format].read(Piece(str(tmp_path / name)), settings, Tally())
        assert batch.schema == DOCUMENT
        rows = batch.to_pylist()
        assert [tuple(turn.values()) for turn in rows[0]["messages"]] == TALK
        assert rows[0]["text"] == "User: How deep is the sea?\n\nAssistant: Some 3.7 km on average."
        assert json.loads(rows[0]["metadata"]) == {"category": "sea", "level": 3}
        assert rows[1]["error"].startswith("message 0 is from assistant") and rows[1]["messages"] is None
    other = FORMATS["jsonl"].check(str(tmp_path / "x.jsonl"), ReadSettings("s", "jsonl", chat="turns", metadata=("m",)))
    assert other == "no conversation: needs `turns`; columns found: `category`, `conversations`, `id`, `level`"
    other = FORMATS["arrow"].check(str(tmp_path / "x.arrow"), ReadSettings("s", "arrow", chat="auto", metadata=("m",)))
    assert (other or "").startswith("no column `m` for `metadata`")


def test_lone_surrogates(tmp_path: Path) -> None:
    record = {"instruction": "a\ud800", "output": "b", "k\ud800": "c\ud800"}
    path = write_jsonl(tmp_path / "x.jsonl", [record])
    tally = Tally()
    (batch,) = FORMATS["jsonl"].read(
        Piece(str(path)), ReadSettings("s", "jsonl", chat="auto", metadata=("k\ud800",)), tally
    )
    assert batch["messages"][0].as_py()[0]["content"] == "a\ufffd" and tally.replaced


def test_an_edit_of_the_text_is_done_to_the_messages() -> None:
    talk = [{"role": "user", "content": "a\u200b b"}, {"role": "assistant", "content": "fine  \n"}]
    rows = [
        {"row": 0, "text": "User: a\u200b b\n\nAssistant: fine  \n", "messages": talk},
        {"row": 1, "text": "User: x\n\nAssistant: y", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
        {"row": 2, "text": "plain\u200b text", "messages": None},
        {"row": 3, "text": "User: q\n\nAssistant: \u200b", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "\u200b"}]},
    ]  # fmt: skip
    done = run_steps([Normalize()], document_batch(rows), {}, {"normalize": 0.0}).to_pylist()
    assert done[0]["messages"] == [{"role": "user", "content": "a b"}, {"role": "assistant", "content": "fine"}]
    assert done[0]["text"] == "User: a b\n\nAssistant: fine" and done[1]["messages"] == rows[1]["messages"]
    assert done[2]["text"] == "plain text" and done[2]["messages"] is None
    assert done[3]["error"] == "normalize: nothing is left of message 1, from assistant"


def test_conversations_reach_the_shards(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    good = [{**SHAPES[shape], "id": shape, "license": "x"} for shape in SHAPES if shape != "nulls"]
    long = {"id": "long", "license": "y", "messages": [
        {"role": "user", "content": "Tell me\u00a0more\u200b."}, {"role": "assistant", "content": "Rivers run to the sea. " * 30},
    ]}  # fmt: skip
    write_jsonl(tmp_path / "in" / "a.jsonl", [*good, long, {"id": "bad", "messages": []}])
    path = pipeline(
        tmp_path, "[normalize, quality: {word_count: {min: 20}}, exact_dedup]",
        inputs='[{name: chat, path: "in/*", chat: auto, metadata: [license]}]',
        output="{path: out, quarantine_limit: 50%}",
    )  # fmt: skip
    run_ok(path)
    out = tmp_path / "out"
    assert manifest(out)["documents"] == {"in": 10, "made": 0, "kept": 1, "dropped": 8, "quarantined": 1}
    table = pa.ipc.open_file(str(out / "shards" / "00000.arrow")).read_all()
    (row,) = table.select(["id", "text", "messages", "metadata"]).to_pylist()
    assert table.schema.field("messages").type == MESSAGES
    assert row["id"] == "long" and json.loads(row["metadata"]) == {"license": "y"}
    assert row["messages"][0] == {"role": "user", "content": "Tell me more."}
    assert row["text"] == render([tuple(turn.values()) for turn in row["messages"]])


def test_real_instructions(shared_data: Path) -> None:
    counts = {}
    for path in sorted(shared_data.glob("instructions/*.jsonl.gz")):
        settings = ReadSettings("s", "jsonl", chat="auto")
        assert FORMATS["jsonl"].check(str(path), settings) is None
        batches = list(FORMATS["jsonl"].read(Piece(str(path)), settings, Tally()))
        errors = sum(len(batch) - batch["error"].null_count for batch in batches)
        counts[path.name.split(".")[0]] = sum(map(len, batches)), errors
        with gzip.open(path) as file:
            gold = json.loads(next(file))
        first = batches[0]["messages"][0].as_py()
        assert [turn["role"] for turn in first] == ["user", "assistant"] and first[1]["content"] == gold["output"]
    assert counts == {
        "dolly_hhrlhf_a": (600, 0), "gpteacher_codegen": (4535, 0), "gpteacher_roleplay": (1923, 0),
        "gsm8k_train_a": (4485, 0), "llamafactory_alpaca_en_demo": (999, 0), "llamafactory_alpaca_zh_demo": (1000, 0),
        "natural_instructions": (26484, 0), "self_instruct_seed": (175, 0), "t0_train_permissive": (22053, 0),
        "xquad_skills": (8700, 0),
    }  # fmt: skip
