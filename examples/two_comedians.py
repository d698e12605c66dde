"""Two comedians: a joke is a conversation between two agents, who take turns until one of them has to go.

Shows: `initiate_chat`, a termination message, `max_turns`, a summary that a model writes, what it all cost, the chat as a graph.
"""

from typing import Any

import convgraph as autogen


def has_to_go(message: dict[str, Any]) -> bool:
    """Whether somebody takes leave."""
    return "i gotta go" in str(message["content"]).lower()


def comedian(name: str) -> autogen.ConversableAgent:
    """A comedian, who ends the chat when the other one takes leave."""
    return autogen.ConversableAgent(
        name,
        f"Your name is {name}, and you are a stand-up comedian in a duo. Say one or two sentences, and play on the last punchline of the "
        "other. When the joke has run its course, say exactly: I gotta go.",
        model=autogen.OpenAIChatModel(),
        is_termination_msg=has_to_go,
        human_input_mode="NEVER",
    )


cathy, joe = comedian("cathy"), comedian("joe")

CHAT = {
    "message": "Cathy, tell me: why do graphs never get lost?",
    "max_turns": 4,
    "summary_method": "reflection_with_llm",
    "summary_args": {"summary_prompt": "Say in one sentence what the joke was about."},
}


graph = cathy.chat_graph(joe, joe.summary_of(cathy, CHAT["summary_method"], CHAT["summary_args"]))


def chat(**options: Any) -> autogen.ChatResult:
    """Have the chat; the options (`store=`, `run_id=` …) are those of `initiate_chat`."""
    return joe.initiate_chat(cathy, **CHAT, **options)


async def achat(**options: Any) -> autogen.ChatResult:
    """The same for those who await it."""
    return await joe.a_initiate_chat(cathy, **CHAT, **options)


PARTS = {
    "Say in one sentence what the joke": ["Why graphs never get lost, and what becomes of those who walk them."],
    "Your name is cathy": [
        "Because whichever node they are at, Joe, somebody has drawn the way out.",
        "A tree! No cycles, so nobody ever comes home for dinner.",
        "I gotta go.",
    ],
    "Your name is joe": [
        CHAT["message"],
        "Somebody should draw one for my family. What would that be?",
        "That explains my father. He was a leaf.",
    ],
}


if __name__ == "__main__":
    from stage import endpoint

    with endpoint(PARTS):
        print("Drawn to", graph.draw("two_comedians.svg"), end="\n\n")
        result = chat(store="two_comedians.db")
        print(f"{result.status}: {result.stop_reason} (run {result.run_id}, {result.usage.calls} model calls)")
        print("Summary:", result.summary)
        print("Cost:", result.cost["usage_including_cached_inference"])
