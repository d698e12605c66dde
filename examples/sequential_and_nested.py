"""Chats one after another, and chats inside a reply: what a researcher has found goes to a writer, whose every draft a critic reads first.

Shows: `initiate_chats` with carryover and a summary by reflection, `register_nested_chats`, the whole of it as one run with one price:
it is drawn, killed, resumed and replayed as one.
"""

from typing import Any

import convgraph as autogen

editor = autogen.ConversableAgent(
    "editor", human_input_mode="NEVER", max_consecutive_auto_reply=3, default_auto_reply="Go on: what else is worth knowing?"
)
researcher = autogen.AssistantAgent(
    "researcher", "You are a researcher. Give one fact on the subject in each answer, with its year, in one sentence; never the same twice."
)
archivist = autogen.AssistantAgent(
    "archivist",
    "You are an archivist. Say in one sentence which of the facts that you are given a reader may doubt, or that there is none.",
)
writer = autogen.AssistantAgent(
    "writer",
    "You are a writer of captions in a museum: two sentences, from the facts that you are given and no others. Obey the criticism.",
)
critic = autogen.AssistantAgent("critic", "You are a critic. Say in one sentence what a visitor of the museum would not understand.")
proofreader = autogen.AssistantAgent(
    "proofreader", "You are a proofreader. Put the criticism that you are given into one friendly order to the writer."
)


def ask_critic(recipient: autogen.ConversableAgent, messages: list[dict[str, Any]], sender: autogen.ConversableAgent, config: Any) -> str:  # noqa: ARG001
    """What the critic is asked when the writer has sent a draft: about that, and nothing of what was said around it."""
    return f"What would a visitor not understand here?\n\n{recipient.chat_messages_for_summary(sender)[-1]['content']}"


REVIEW = [
    {"sender": editor, "recipient": critic, "message": ask_critic, "max_turns": 1},
    {"sender": editor, "recipient": proofreader, "message": "Tell the writer.", "max_turns": 1},
]
editor.register_nested_chats(REVIEW, trigger=writer)

CHATS = [
    {
        "chat_id": "facts",
        "sender": editor,
        "recipient": researcher,
        "message": "The subject is the first computer mouse.",
        "max_turns": 2,
        "summary_method": "reflection_with_llm",
        "summary_args": {"summary_prompt": "List the facts of this conversation, one a line, and nothing else."},
    },
    {
        "chat_id": "doubts",
        "prerequisites": ["facts"],
        "sender": editor,
        "recipient": archivist,
        "message": "Which of these facts is in doubt?",
        "max_turns": 1,
    },
    {
        "chat_id": "caption",
        "prerequisites": ["facts", "doubts"],
        "sender": editor,
        "recipient": writer,
        "message": "Write the caption.",
        "max_turns": 2,
        "carryover": "The caption hangs below the mouse itself.",
    },
]
"""Each chat takes over the summaries of those before it. (`chat_id` and `prerequisites` are for `achat`; here they come to the same.)"""

graph = autogen.chats_graph(CHATS)
review_graph = autogen.chats_graph(REVIEW)


def chat(**options: Any) -> list[autogen.ChatResult]:
    """Have the chats; the options (`store=`, `run_id=` …) are those of `initiate_chat`."""
    return autogen.initiate_chats(CHATS, **options)


async def achat(**options: Any) -> list[autogen.ChatResult]:
    """The same for those who await it, as chats of which each waits for those that it needs."""
    return list((await autogen.a_initiate_chats(CHATS, **options)).values())


PARTS = {
    "List the facts": ["It was made of wood, in 1964.\nIts inventor showed it to the public in 1968."],
    "You are a researcher": ["It was made of wood, in 1964.", "Its inventor, Douglas Engelbart, showed it to the public in 1968."],
    "You are an archivist": ["None of these is in doubt."],
    "You are a writer": [
        "Engelbart's X-Y position indicator of 1964. Shown in 1968.",
        "This piece of wood from 1964 was moved over a desk to move a point on a screen. In 1968 the public saw it for the first time.",
    ],
    "You are a critic": ["What an X-Y position indicator is."],
    "You are a proofreader": ["Please say in plain words what the thing does."],
}


if __name__ == "__main__":
    from stage import endpoint

    with endpoint(PARTS):
        print("Drawn to", graph.draw("sequential.svg"), "and", review_graph.draw("nested.svg"), end="\n\n")
        results = chat(store="sequential_and_nested.db")
        for result in results:
            print(f"{result.status}: {result.stop_reason}, {result.usage.calls} model calls. {result.summary!r}")
        print(f"All of them are run {results[-1].run_id}")
