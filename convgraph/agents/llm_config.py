# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""What AutoGen's `llm_config` asks for: a model, the tools that it is told of; and the schema of a `response_format`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast

from convgraph.errors import DefinitionError
from convgraph.protocols import Model

LlmConfig: TypeAlias = Mapping[str, Any] | Literal[False] | None


def model_of(name: str, llm_config: LlmConfig, model: Model | None) -> Model | None:
    """The model that an agent's `model=` or `llm_config=` gives; None where there is none. Raises `DefinitionError`."""
    if model is not None and llm_config:
        raise DefinitionError(f"agent {name!r}: give it model= or llm_config=, not both")
    if model is not None:
        if not isinstance(model, Model):
            raise DefinitionError(
                f"agent {name!r}: model= takes a model (OpenAIChatModel, ScriptedModel, or one's own), not {model!r:.100}"
            )
        return model
    if llm_config is None or llm_config is False:
        return None
    from convgraph.models.config import model_from_config

    rest = (
        {key: value for key, value in llm_config.items() if key not in ("tools", "functions")}
        if isinstance(llm_config, Mapping)
        else llm_config
    )
    return model_from_config(rest)


def llm_tools(llm_config: LlmConfig) -> list[Mapping[str, Any]]:
    """The schemas of tools that AutoGen's users put into `llm_config`."""
    if not isinstance(llm_config, Mapping):
        return []
    return [*(llm_config.get("tools") or ()), *(llm_config.get("functions") or ())]


def response_schema(response_format: Any, name: str) -> tuple[Mapping[str, Any] | None, str]:
    """The JSON schema that an answer is to fit, and its name. Raises `DefinitionError`."""
    if response_format is None:
        return None, "answer"
    if isinstance(response_format, Mapping):
        given: dict[str, Any] = dict(cast("Mapping[str, Any]", response_format))
        return given, str(given.get("title", "answer"))
    schema = getattr(response_format, "model_json_schema", None)
    if schema is None:
        raise DefinitionError(
            f"agent {name!r}: response_format= takes a pydantic model class or a JSON schema, not {response_format!r:.100}"
        )
    return schema(), response_format.__name__
