"""Chat messages of a record, in one form: a list of {role, content}.

Two conventions are read: {role, content} (OpenAI, TRL) and {from, value} (ShareGPT). The last
assistant message is the answer; what follows it is cut, and counted by the loader. Keys that are
null are left out: Arrow writes them where another record has the key, JSONL does not.
"""

from __future__ import annotations

from typing import Any

from mishran.config_errors import shown
from mishran.errors import DataError

# Role names of ShareGPT exports, as FastChat and Axolotl read them.
SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}


def read_messages(value: Any, field: str, where: str) -> tuple[list[dict[str, Any]], int]:
    """Messages up to the last assistant message, and how many were cut after it.

    Raises:
        DataError: not a list of messages, no text in one, no assistant message, nothing before it.
    """
    if not isinstance(value, list) or not value:
        raise DataError(
            expected=f"a list of messages in field {field!r}",
            found="an empty list" if value == [] else shown(value),
            where=where,
            fix='write it as [{"role": "user", "content": "..."}, {"role": "assistant", ...}]',
        )
    messages = [_message(message, f"{field}[{i}]", where) for i, message in enumerate(value)]
    last = max((i for i, m in enumerate(messages) if m["role"] == "assistant"), default=-1)
    if last < 0:
        roles = ", ".join(dict.fromkeys(m["role"] for m in messages))
        raise DataError(
            expected=f"an assistant message in field {field!r} (the last one is the answer)",
            found=f"messages of {roles} only",
            where=where,
            fix="add the answer as a message of role assistant, or remove the record",
        )
    if last == 0:
        raise DataError(
            expected=f"a message before the assistant's in field {field!r}",
            found="only the assistant's",
            where=where,
            fix="add the user's message, or remove the record",
        )
    return messages[: last + 1], len(messages) - last - 1


def _message(message: Any, place: str, where: str) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise DataError(
            expected=f"an object with role and content in {place}",
            found=shown(message),
            where=where,
            fix='write it as {"role": "user", "content": "..."}',
        )
    kept = {name: part for name, part in message.items() if part is not None}
    if "role" not in kept and "from" in kept:
        if not isinstance(kept["from"], str) or kept["from"] not in SHAREGPT_ROLES:
            raise DataError(
                expected=f"one of {', '.join(SHAREGPT_ROLES)} as 'from' in {place}",
                found=repr(kept["from"]),
                where=where,
                fix="rename the role",
            )
        kept = {"role": SHAREGPT_ROLES[kept["from"]], "content": kept.get("value")}
    for name in ("role", "content"):
        if not isinstance(kept.get(name), str):
            found = f"the fields {', '.join(message)}" if name not in kept else shown(kept[name])
            raise DataError(
                expected=f"text as {name!r} in {place}",
                found=found,
                where=where,
                fix="messages are {role, content} or {from, value}, with text in both",
            )
    return kept
