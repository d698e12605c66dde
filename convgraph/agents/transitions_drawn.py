"""AutoGen's `visualize_speaker_transitions_dict`: who may follow whom, drawn as every graph is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convgraph.agents.agent import Agent
from convgraph.agents.group_chat import GroupChat


def visualize_speaker_transitions_dict(
    speaker_transitions_dict: Mapping[Any, Sequence[Agent]], agents: Sequence[Agent], export_path: str | Path | None = None
) -> bytes | Path:
    """Draw which agent may follow which: to the file `export_path` (.svg, .png, .pdf, .dot, .mmd), or as an SVG's bytes.

    Raises `DefinitionError` for transitions that are none between these agents.
    """
    chat = GroupChat(agents, allowed_or_disallowed_speaker_transitions=speaker_transitions_dict, speaker_transitions_type="allowed")
    return chat.draw(export_path)
