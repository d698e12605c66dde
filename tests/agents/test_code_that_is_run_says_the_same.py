"""Code that an agent runs: what is said of it does not depend on which run it was."""

from __future__ import annotations

from pathlib import Path

import convgraph as autogen

FAILS = "```python\nraise ValueError('no')\n```"


def test_two_runs_of_one_conversation_say_the_same_of_code_that_fails(tmp_path: Path) -> None:
    """The file that a traceback names is the same: else no answer from a cache would fit, and no two transcripts."""
    asker = autogen.ConversableAgent("asker", llm_config=False, human_input_mode="NEVER")
    runner = autogen.UserProxyAgent(
        "runner", human_input_mode="NEVER", code_execution_config={"work_dir": str(tmp_path), "use_docker": False}
    )

    first, second = (asker.initiate_chat(runner, message=FAILS, max_turns=1, silent=True) for _ in range(2))

    assert "ValueError: no" in first.summary
    assert first.run_id != second.run_id
    assert first.summary == second.summary
