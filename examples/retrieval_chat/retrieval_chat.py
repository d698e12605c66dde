"""A group that answers from documents: a librarian finds passages, an engineer answers from them or asks for more, a reviewer checks.

Shows: retrieval in a group chat over real documents with real embeddings, computed on this machine. The question needs three of
the documents, and a search for it finds two of them: so the engineer says UPDATE CONTEXT, and what is missing.
"""

from pathlib import Path
from typing import Any

import convgraph as autogen
from convgraph.chat.retrieval import asks_for_more

STORE = "retrieval_chat.db"
DOCUMENTS = Path(__file__).parent / "documents"
COLLECTION = Path(__file__).parent / "documents.db"  # made with the first search; what has not changed is not embedded again
INPUT = (
    "A class of 34 has booked the Skarven from Hamnvik to Ytre Sund, tonight at 21:30. Forecast: wind from the north-west 18 m/s, waves "
    "at Stenskär 1.8 m. May she sail? If not, who tells them, by when, and what can they be offered?"
)

boss = autogen.UserProxyAgent("boss", human_input_mode="NEVER", code_execution_config=False)
librarian = autogen.RetrieveUserProxyAgent(
    "librarian",
    human_input_mode="NEVER",
    retrieve_config={"task": "qa", "docs_path": str(DOCUMENTS), "db_config": {"path": str(COLLECTION)}, "n_results": 3},
    code_execution_config=False,
)
engineer = autogen.RetrieveAssistantAgent(
    "engineer",
    "You are the engineer on duty of a ferry line. Answer from the passages that the librarian has shown, name their sources, and "
    "guess nothing. Where something is missing, say only UPDATE CONTEXT: and what. When the reviewer objects, write the whole answer anew.",
    description="Answers from the passages, or asks for further ones.",
)
reviewer = autogen.AssistantAgent(
    "reviewer",
    "You are the reviewer. Compare the engineer's answer with the passages: name the one thing in it that none of them says. If there is "
    "none, say APPROVED, and the answer in short.",
    description="Checks the answer against the passages, and approves it.",
)


def who_is_next(last_speaker: autogen.Agent, groupchat: autogen.GroupChat) -> autogen.Agent:
    """Passages first; then an answer, which goes to the reviewer, or back to the librarian where it asks for more."""
    if last_speaker is engineer:
        return librarian if asks_for_more(groupchat.messages[-1]["content"]) else reviewer
    return librarian if last_speaker is boss else engineer


def is_approved(message: dict[str, Any]) -> bool:
    """The reviewer approves, which ends the chat. A passage that says the word ends nothing."""
    return message["name"] == "reviewer" and message["content"].startswith("APPROVED")


team = autogen.GroupChat(
    agents=[librarian, engineer, reviewer],
    max_round=16,
    speaker_selection_method=who_is_next,
    allowed_or_disallowed_speaker_transitions={librarian: [engineer], engineer: [librarian, reviewer], reviewer: [engineer]},
    speaker_transitions_type="allowed",
)
manager = autogen.GroupChatManager(team, is_termination_msg=is_approved)
graph = team.to_graph(boss, manager)


def chat(**options: Any) -> autogen.ChatResult:
    """Have the chat; the options (`store=`, `run_id=` …) are those of `initiate_chat`."""
    return boss.initiate_chat(manager, message=INPUT, **options)


async def achat(**options: Any) -> autogen.ChatResult:
    """The same, asynchronously."""
    return await boss.a_initiate_chat(manager, message=INPUT, **options)


# What the stand-in says. It goes by the passages that it is shown, so that it answers if they are found, and not otherwise.

CANCELLED = (
    "No. Since her repair the Skarven is in weather class C [vessels.html], which sails in wind from the north-west up to 16 m/s "
    "[weather-limits.md]. The traffic desk calls whoever has booked, by 19:30 [cancellations.md]. "
)
WITHOUT_HER_CLASS = "Offer them the relief vessel first [cancellations.md]; class B and A may sail in this wind, so she can take them."
WITH_HER_CLASS = (
    "Offer them the relief vessel first [cancellations.md]: the Lommen is in class B, takes over within ninety minutes [vessels.html], and "
    "may sail in up to 20 m/s and waves of 3.0 m [weather-limits.md]."
)
OBJECTION = "That the relief vessel is in class B or A is said by none of the passages."


def answer(request: dict[str, Any]) -> str:
    """What is missing, of what the answer needs; the answer, where nothing is."""
    shown = " ".join(message["content"] for message in request["messages"])
    for fact in ("she is in weather class C", "| C | 16 m/s |"):
        if fact not in shown:
            return "UPDATE CONTEXT: weather class of the Skarven, and how much wind it allows"
    for fact in ("Groups of more than 20 passengers are called by telephone", "Groups are offered the"):
        if fact not in shown:
            return "UPDATE CONTEXT: who is told of a cancelled crossing, and what passengers are offered"
    if OBJECTION not in shown:
        return CANCELLED + WITHOUT_HER_CLASS
    if "Weather class B. She is the relief vessel" not in shown:
        return "UPDATE CONTEXT: the relief vessel and her weather class"
    return CANCELLED + WITH_HER_CLASS


PARTS = {
    "You are the engineer on duty": answer,
    "You are the reviewer": [
        OBJECTION,
        "APPROVED. The Skarven stays in port; the desk calls the class by 19:30 and offers the Lommen, which may sail.",
    ],
}


if __name__ == "__main__":
    import sys

    sys.path.append(str(Path(__file__).parents[1]))
    from stage import endpoint

    with endpoint(PARTS):
        print("Drawn to", graph.draw("retrieval_chat.svg"), end="\n\n")
        result = chat(store=STORE)
        for message in result.messages:
            for source in (message.data or {}).get("retrieved", {}).get("sources", ()):
                print(f"{source['score']:.3f}  {source['place']}")
        print(f"\n{result.status}: {result.stop_reason} (run {result.run_id}, {result.usage.calls} model calls)")
