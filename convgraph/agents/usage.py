"""What agents have cost: AutoGen's summaries of usage, read from the journals of the agents' latest runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convgraph.agents.latest import LatestChat
from convgraph.agents.standalone import from_sync
from convgraph.journal.store_url import as_store
from convgraph.messages import NO_USAGE, Usage
from convgraph.models.costs import usage_by_node, usage_document

if TYPE_CHECKING:
    from convgraph.agents.remembering import RememberingAgent


def gather_usage_summary(agents: Sequence[RememberingAgent]) -> dict[str, Any]:
    """What these agents' models were asked in the runs that the agents refer to: their latest with each peer.

    Each run counts once, also where several of the agents took part in it; in nested chats, too. The choices of next speakers
    are nobody's: they are in `ChatResult.cost`, which adds up a whole run. In AutoGen's form: what was paid under
    `usage_excluding_cached_inference`, what it would have come to without a cache under `usage_including_cached_inference`.
    """
    return {
        "usage_including_cached_inference": usage_document(usage_of(agents, cached=True)),
        "usage_excluding_cached_inference": usage_document(usage_of(agents, cached=False)),
    }


def usage_of(agents: Sequence[RememberingAgent], *, cached: bool) -> dict[str, Usage]:
    """Usage by model of these agents in the runs that they refer to; with `cached`, as if no answer had come from a cache."""
    return from_sync(_usage_of(agents, cached))


async def _usage_of(agents: Sequence[RememberingAgent], cached: bool) -> dict[str, Usage]:
    names = {agent.name for agent in agents}
    runs: dict[str, LatestChat] = {}
    for agent in agents:
        runs |= {latest.run_id: latest for latest in agent.latest_runs()}
    total: dict[str, Usage] = {}
    for run_id, latest in runs.items():
        async with as_store(latest.store) as store:
            events = await store.load(run_id)
        for node, models in usage_by_node(events, cached=cached).items():
            for model, usage in models.items() if node in names else ():
                total[model] = total.get(model, NO_USAGE) + usage
    return total
