"""LangChain's tools, by their shape: nothing of LangChain is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from convgraph.errors import DefinitionError
from convgraph.runtime.threads import in_thread
from convgraph.tools.bare_schema import schema_parameters
from convgraph.tools.definition import Approval, Tool, check_name, check_options


def is_langchain_tool(found: Any) -> bool:
    """Whether an object looks like a tool of LangChain's: it has a name, a description and a schema, and can be invoked."""
    if isinstance(found, type | Tool) or not callable(getattr(found, "invoke", None)):
        return False
    return isinstance(getattr(found, "name", None), str) and hasattr(found, "description") and hasattr(found, "args_schema")


def langchain_tool(
    tool: Any,
    *,
    name: str | None = None,
    description: str | None = None,
    idempotent: bool = False,
    timeout: float | None = None,
    approval: Approval = None,
) -> Tool:
    """Make a tool of one of LangChain's: made with its `@tool`, a `StructuredTool`, or an instance of a class of one's own.

    The model is told LangChain's name, description and schema; `name`, `description`, `idempotent`, `timeout` and `approval` are
    those of `tool`. `ConversableAgent(tools=[…])` takes LangChain's tools as they are, where none of these is to be said.

    Raises `DefinitionError` for what is no such tool, and for one with arguments that LangChain's own runtime would inject.
    """
    if not is_langchain_tool(tool):
        raise DefinitionError(f"langchain_tool(…) takes a tool of LangChain's, with a name, an args_schema and invoke(), not {tool!r:.100}")
    where = f"LangChain's tool {tool.name!r}"
    name = str(tool.name) if name is None else name
    check_name(name, where)
    check_options(timeout, approval, where)
    told = str(tool.description if description is None else description).strip()
    if not told:
        raise DefinitionError(f"{where}: it has no description; a model chooses by it: pass description=…")
    parameters = schema_parameters(_schema(tool, where), where)
    injected = _required(tool.args_schema) - set(parameters.schema["properties"])
    if injected:
        raise DefinitionError(
            f"{where}: LangChain's runtime would inject {', '.join(sorted(injected))}, and nobody does here; "
            "wrap it in a function of your own, whose parameters marked Injected are given from run(deps=…)"
        )
    return Tool(_Invoke(tool), name, told, parameters, bool(idempotent), timeout, approval, where, "LangChain")


@dataclass(frozen=True, eq=False, slots=True)
class _Invoke:
    """Invokes the tool as LangChain does, with the arguments that its schema describes."""

    tool: Any

    async def __call__(self, /, **arguments: Any) -> Any:
        if hasattr(self.tool, "ainvoke"):
            return await self.tool.ainvoke(arguments)
        return await in_thread(self.tool.invoke, arguments)


def _schema(tool: Any, where: str) -> Mapping[str, Any]:
    """What a model is told of the arguments: LangChain keeps it as a pydantic class (of either version), or as a JSON schema."""
    found = getattr(tool, "tool_call_schema", None) or tool.args_schema
    if isinstance(found, Mapping):
        return cast("Mapping[str, Any]", found)
    described = getattr(found, "model_json_schema", None) or getattr(found, "schema", None)
    if not callable(described):
        raise DefinitionError(f"{where}: its args_schema is neither a pydantic class nor a JSON schema, but {found!r:.100}")
    schema = dict(cast("Mapping[str, Any]", described()))
    schema.pop("description", None)  # it repeats the tool's
    return schema


def _required(schema: Any) -> set[str]:
    fields: Mapping[str, Any] = getattr(schema, "model_fields", {})
    return {name for name, field in fields.items() if field.is_required()}
