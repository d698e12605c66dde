"""Transition paths specified in a graph: three teams of three; all talk within their team, and the three leaders to each other.

Shows: `allowed_or_disallowed_speaker_transitions` as the edges of a graph, a model that chooses the next speaker along them and
nowhere else, a group chat that is drawn.
"""

import re
from typing import Any

import convgraph as autogen

COUNTS = {"A0": 3, "A1": 1, "A2": 4, "B0": 1, "B1": 5, "B2": 9, "C0": 2, "C1": 6, "C2": 5}
LEADERS = ("A0", "B0", "C0")

RULES = """You are {name}, {rank} of team {team}. Nine players in three teams (A0 A1 A2, B0 B1 B2, C0 C1 C2) each have a secret count
of chocolates, and want to know how many they have together. Your count is {count}.
Answer with one line: the list of every count that is known so far, yours added, such as: A0:7 A1:2. Never guess another's count.
{duty}"""
LEADER = "Where all nine are in the list, write the list, then TOTAL: and their sum, then TERMINATE."
MEMBER = "Your leader is {team}0: only leaders talk to other teams."


def player(name: str) -> autogen.AssistantAgent:
    """A player, who knows its own count and nobody else's."""
    team, leads = name[0], name in LEADERS
    rules = RULES.format(
        name=name,
        team=team,
        count=COUNTS[name],
        rank="the leader" if leads else "a member",
        duty=LEADER if leads else MEMBER.format(team=team),
    )
    return autogen.AssistantAgent(name, rules, description=f"{'Leader' if leads else 'Member'} of team {team}.")


def is_total(message: dict[str, Any]) -> bool:
    """A leader has added up all counts."""
    return "TERMINATE" in message["content"]


players = {name: player(name) for name in COUNTS}
paths = {
    one: [
        other
        for name, other in players.items()
        if other is not one and (name[0] == one.name[0] or {name, one.name} <= set(LEADERS))  # team-mates, and leaders among themselves
    ]
    for one in players.values()
}
team_chat = autogen.GroupChat(
    agents=list(players.values()),
    max_round=20,
    allowed_or_disallowed_speaker_transitions=paths,
    speaker_transitions_type="allowed",
    select_speaker_message_template=(
        "You choose who speaks next. In the last message stand the counts that are known. Choose somebody whose count is missing; "
        "where there is no such, a leader. Choose one of:\n{roles}"
    ),
)
manager = autogen.GroupChatManager(team_chat, is_termination_msg=is_total, model=autogen.OpenAIChatModel())

INPUT = "A0:3"
"""A0 begins, with its own count; a real model plays the rest by the rules above."""

graph = team_chat.to_graph(players["A0"], manager)


def chat(**options: Any) -> autogen.ChatResult:
    """Have the chat; the options are those of `initiate_chat`."""
    return players["A0"].initiate_chat(manager, message=INPUT, **options)


async def achat(**options: Any) -> autogen.ChatResult:
    """The same, asynchronously."""
    return await players["A0"].a_initiate_chat(manager, message=INPUT, **options)


# What the stand-in says, which a real model says by reading its rules.


def known(text: str) -> dict[str, int]:
    """The counts in a message."""
    return {name: int(count) for name, count in re.findall(r"\b([ABC][012]):(\d+)", text)}


def add_own_count(request: dict[str, Any]) -> str:
    """The list with the player's own count, and the sum of a list that is whole."""
    from stage import last_text

    system = request["messages"][0]["content"]
    name = re.findall(r"You are (\w\d)", system)[0]
    counts = {**known(last_text(request)), name: int(re.findall(r"Your count is (\d+)", system)[0])}
    said = " ".join(f"{player}:{count}" for player, count in sorted(counts.items()))
    return f"{said} TOTAL: {sum(counts.values())} TERMINATE" if len(counts) == len(COUNTS) and name in LEADERS else said


def choose_player(request: dict[str, Any]) -> dict[str, str]:
    """Somebody allowed whose count is missing: of the team before the other leaders, or else a leader."""
    allowed = request["response_format"]["json_schema"]["schema"]["properties"]["next"]["enum"]
    lists = [known(str(message["content"])) for message in request["messages"][1:]]
    counts = next(counts for counts in reversed(lists) if counts)
    missing = sorted((name for name in allowed if name not in counts), key=lambda name: name in LEADERS)
    return {"next": (missing or [name for name in allowed if name in LEADERS])[0]}


PARTS = {"You choose who speaks next": choose_player, "Nine players": add_own_count}


if __name__ == "__main__":
    from stage import endpoint

    with endpoint(PARTS):
        print("Drawn to", graph.draw("three_teams.svg"), end="\n\n")
        result = chat(store="three_teams.db")
        print(f"{result.status}: {result.stop_reason}, {result.usage.calls} model calls, selections among them (run {result.run_id})")
