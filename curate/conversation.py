"""Conversations: one schema for the shapes in which instruction and chat data comes.

- messages: a list of `{role, content}` (OpenAI, Hugging Face TRL), content a string or a list of text parts
- ShareGPT: a list of `{from, value}`
- Alpaca: `instruction`, `input`, `output`, with LLaMA-Factory's `system` and `history`; and like pairs (PAIRS), OpenOrca's
  `system_prompt`, `question`, `response` among them

All become a list of role and content, the role one of `system`, `user`, `assistant`, `tool`. A call of a tool is the
content of an assistant's message, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

MESSAGE = pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())])
MESSAGES = pa.list_(MESSAGE)

AUTO = "auto"
LISTS = ("messages", "conversations", "conversation")
#: columns of (question, what it is about, answer)
PAIRS = (
    ("instruction", "input", "output"),
    ("instruction", "context", "response"),
    ("prompt", "context", "completion"),
    ("prompt", "context", "response"),
    ("question", "context", "answer"),
    ("question", "context", "response"),
    ("input", "context", "output"),
)
#: columns that may hold what the system says
SYSTEMS = ("system", "system_prompt")
#: every column that may be part of a conversation
COLUMNS = tuple(dict.fromkeys([*LISTS, *(name for pair in PAIRS for name in pair), *SYSTEMS, "history"]))
_NAMES = {
    "system": "system developer",
    "user": "user human prompter",
    "assistant": "assistant gpt chatgpt model bot chatbot ai bing bard function_call",
    "tool": "tool function observation ipython function_response tool_response",
}
ROLES = {name: role for role, names in _NAMES.items() for name in names.split()}
# Who may speak next, "" being the beginning and the end: what the usual chat templates accept.
_FOLLOWS = {
    "": ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user", "tool", ""),
    "tool": ("tool", "assistant"),
}


class Message(NamedTuple):
    """One turn."""

    role: str
    content: str


class BadConversation(ValueError):
    """A record that is no conversation, or one that no chat template would take: where, what was found, what may stand there."""


def conversation(record: Mapping[str, Any], column: str = AUTO) -> list[Message]:
    """A record as messages: from the list in `column`, or by the columns that it has. Raises BadConversation."""
    found = _messages(record, column)
    said = [value for name in SYSTEMS if isinstance(value := record.get(name), str) and value.strip()]
    if said and found and found[0].role != "system":
        found.insert(0, Message("system", said[0]))
    _check_order(found)
    return found


def missing_conversation(columns: Sequence[str], column: str) -> str | None:
    """The problem in words if a table of these columns holds no conversations."""
    if column != AUTO:
        kinds = [(column,)]
    else:
        kinds = [(name,) for name in LISTS] + [(asked, answered) for asked, _, answered in PAIRS]  # type: ignore[misc]
    if any(set(kind) <= set(columns) for kind in kinds):
        return None
    wanted = ", or ".join(" and ".join(f"`{name}`" for name in kind) for kind in kinds)
    found = ", ".join(f"`{name}`" for name in sorted(columns))
    return f"no conversation: needs {wanted}; columns found: {found or 'none'}"


def render(messages: Sequence[Message]) -> str:
    """A conversation as text: turns under the name of who speaks, with a blank line between them."""
    return "\n\n".join(f"{role.capitalize()}: {content}" for role, content in messages)


def exchanges(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """(what was asked, what the assistant answered) of each of its turns; asked is all that came before, as text."""
    return [
        (messages[0].content if i == 1 else render(messages[:i]), message.content)
        for i, message in enumerate(messages)
        if message.role == "assistant"
    ]


def _messages(record: Mapping[str, Any], column: str) -> list[Message]:
    for name in LISTS if column == AUTO else (column,):
        if (turns := record.get(name)) is not None:
            return _turns(turns, name)
    for asked, about, answered in PAIRS if column == AUTO else ():
        if record.get(asked) is not None and record.get(answered) is not None:
            return [*_history(record.get("history")), *_pair(record, asked, about, answered)]
    problem = missing_conversation([name for name, value in record.items() if value is not None], column)
    raise BadConversation(problem or f"{column} is null")


def _turns(turns: Any, name: str) -> list[Message]:
    if isinstance(turns, str):
        # a list that a table of strings had to hold
        try:
            turns = json.loads(turns)
        except (ValueError, RecursionError):
            turns = None
    if not isinstance(turns, list) or not turns:
        raise BadConversation(f"{name} is {'empty' if turns == [] else 'no list of messages'}")
    return [_turn(turn, f"{name}[{i}]") for i, turn in enumerate(turns)]


def _turn(turn: Any, where: str) -> Message:
    if not isinstance(turn, Mapping):
        raise BadConversation(f"{where} is no object with `role` and `content`, or `from` and `value`")
    role = next((turn[key] for key in ("role", "from") if turn.get(key) is not None), None)
    known = ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if known is None:
        raise BadConversation(f"{where}: the role `{role}` is not one of {', '.join(ROLES)}")
    content = _content(next((turn[key] for key in ("content", "value") if turn.get(key) is not None), None), where)
    if calls := turn.get("tool_calls") or turn.get("function_call"):
        written = json.dumps(calls, ensure_ascii=False, default=str)
        content = f"{content}\n{written}" if content.strip() else written
    if not content.strip():
        raise BadConversation(f"{where}: the content of {known} is empty")
    return Message(known, content)


def _content(content: Any, where: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        other = [part for part in content if not (isinstance(part, Mapping) and isinstance(part.get("text"), str))]
        if not other:
            return "\n\n".join(part["text"] for part in content)
        kind = other[0].get("type") if isinstance(other[0], Mapping) else type(other[0]).__name__
        raise BadConversation(f"{where}: a part of the content is `{kind}`, not text")
    raise BadConversation(f"{where}: the content is {type(content).__name__}, not a string")


def _history(history: Any) -> list[Message]:
    """Earlier rounds: pairs of what was asked and answered."""
    if history is None:
        return []
    sound = isinstance(history, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in history
    )
    if not sound:
        raise BadConversation("history is no list of pairs of strings")
    return [Message(role, text) for pair in history for role, text in zip(("user", "assistant"), pair, strict=True)]


def _pair(record: Mapping[str, Any], asked: str, about: str, answered: str) -> list[Message]:
    parts = {name: record.get(name) for name in (asked, about, answered)}
    for name, value in parts.items():
        if not isinstance(value, str) and (value is not None or name != about):
            raise BadConversation(f"{name} is {type(value).__name__}, not a string")
    question = "\n\n".join(str(parts[name]) for name in (asked, about) if (parts[name] or "").strip())
    for name, text in ((asked, question), (answered, parts[answered])):
        if not text.strip():  # type: ignore[union-attr]
            raise BadConversation(f"{name} is empty")
    return [Message("user", question), Message("assistant", str(parts[answered]))]


def _check_order(messages: Sequence[Message]) -> None:
    before = ""
    for place, role in enumerate([*(message.role for message in messages), ""]):
        if role not in _FOLLOWS[before]:
            what = f"message {place} is from {role}" if role else "it ends"
            behind = f"behind {before}" if before else "at the beginning"
            allowed = " or ".join(name or "the end" for name in _FOLLOWS[before])
            raise BadConversation(f"{what} {behind}, where {allowed} may stand")
        before = role
