"""Two agents and a guard: a writer and a critic take turns until the critic approves.

Shows: agents as nodes, a termination guard, a limit.
"""

from convgraph import END, AssistantAgent, ConversationGraph, Limits

writer = AssistantAgent("writer", "You write product descriptions of one sentence. Answer with the sentence alone; obey the critic.")
critic = AssistantAgent("critic", "You criticise product descriptions: say in one sentence what to change, or only APPROVED.")

graph = ConversationGraph("two_agents", limits=Limits(turns=10))
graph.add_node(writer)
graph.add_node(critic)
graph.add_edge(writer, critic)
graph.add_edge(critic, END, when='last.content.startsWith("APPROVED")', label="approved")
graph.add_edge(critic, writer, label="revise")
graph.set_start(writer)

INPUT = "Describe a hand-cranked coffee grinder."
PARTS = {
    "You write product": [
        "The best coffee grinder ever made will change your mornings forever.",
        "A hand-cranked grinder with steel burrs that turns 30 g of beans into even grounds in a minute, without a cable.",
    ],
    "You criticise product": ["Superlatives say nothing: name a fact that a buyer can check.", "APPROVED"],
}


if __name__ == "__main__":
    from stage import endpoint, tell

    with endpoint(PARTS):
        tell(graph.run(INPUT))
