"""Answers to questions: the one place that says whether a value fits the schema that was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic import TypeAdapter

from convgraph.errors import AnswerError, InputError
from convgraph.journal.events import Question
from convgraph.json_schema import check_schema, faults

ABOUT = "x-about"
"""Where a question's schema says as data what its prompt says in words. It is shown, and no part of what makes a question the same."""


def schema_of(kind: Any, where: str) -> dict[str, Any]:
    """The JSON schema of what a question asks for: a type, a pydantic model, or a JSON schema as it is. Raises `InputError`."""
    if isinstance(kind, Mapping):
        schema = dict(cast("Mapping[str, Any]", kind))
        check_schema(schema)
        return schema
    if kind is str:
        return {"type": "string"}
    try:
        return TypeAdapter(kind).json_schema()
    except Exception as error:  # pydantic raises several kinds for a type it cannot describe
        raise InputError(f"{where}: schema={kind!r} has no JSON schema: {error}") from error


def check_answer(question: Question, value: Any, run_id: str) -> None:
    """Raise `AnswerError` unless `value` fits the question's schema."""
    if question.schema == {"type": "string"}:
        if isinstance(value, str):
            return
        raise AnswerError(f"run {run_id!r}: question {question.id!r} asks for a string, not {value!r:.200}")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise AnswerError(f"run {run_id!r}: the answer to {question.id!r} is no JSON value: {error}") from error
    wrong = [f"${path}: {what}" for path, what in faults(value, question.schema)]
    if wrong:
        raise AnswerError(f"run {run_id!r}: the answer to {question.id!r} does not fit: {'; '.join(wrong[:5])}")


def parse_answer(question_schema: Mapping[str, Any], text: str) -> Any:
    """The value that a text typed by a person stands for: the text itself where a string is asked for, else JSON."""
    kind = question_schema.get("type")
    if kind == "string" or ("enum" in question_schema and text in question_schema["enum"]):
        return text
    if kind == "boolean" and text.strip().lower() in ("y", "yes", "true", "n", "no", "false"):
        return text.strip().lower() in ("y", "yes", "true")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
