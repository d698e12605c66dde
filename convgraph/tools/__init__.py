"""Tools: functions that a model may call. Each call is an effect of the turn: journaled, and never done twice."""

from __future__ import annotations

from convgraph.tools.calls import ToolOutcome, run_tool_calls
from convgraph.tools.definition import Tool, ToolSet, tool
from convgraph.tools.parameters import Injected
from convgraph.tools.results import Handoff

__all__ = ["Handoff", "Injected", "Tool", "ToolOutcome", "ToolSet", "run_tool_calls", "tool"]
