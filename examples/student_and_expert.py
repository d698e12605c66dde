"""A student and an expert, two people: the student's assistant asks the expert, whose own assistant drafts what the expert lets through.

Shows: a tool that has a chat, a person inside it and a person around it. Without a key the two are played; with one, they are asked here
at the console. Where there is none, the chat waits for them, without a process; it says how to answer and how to go on.
"""

import sys
from typing import Any

import convgraph as autogen

STORE = "student_and_expert.db"
INPUT = "Why do we always see the same side of the moon?"


# The expert's side: a person, who is asked before each reply, and an assistant that drafts.

expert = autogen.UserProxyAgent("expert", human_input_mode="ALWAYS", code_execution_config=False)
assistant_for_expert = autogen.AssistantAgent(
    "assistant_for_expert",
    "You draft answers for an expert of astronomy: at most three sentences, no greeting. When the expert objects, write the whole answer "
    "anew.",
)


def ask_expert(question: str) -> str:
    """Ask an expert of astronomy, who is a person and knows better. Give the question with all that is needed to understand it."""
    return expert.initiate_chat(assistant_for_expert, message=question, max_turns=4).summary


# The student's side: a person, who is asked about what is said but not about calls of tools, and an assistant that knows whom to ask.


def is_for_the_student(message: dict[str, Any]) -> bool:
    """Whether there is something to read for the person. (In the mode TERMINATE, a termination message is one to ask about.)"""
    return not message.get("tool_calls")


student = autogen.UserProxyAgent(
    "student", human_input_mode="TERMINATE", is_termination_msg=is_for_the_student, code_execution_config=False
)
assistant_for_student = autogen.AssistantAgent(
    "assistant_for_student",
    "You help a student with homework. What you are not certain of, ask the expert, once, before you answer. "
    "Explain the answer in your own words.",
)
autogen.register_function(ask_expert, caller=assistant_for_student, executor=student)

graph = assistant_for_student.chat_graph(student)
expert_graph = assistant_for_expert.chat_graph(expert)


def chat(**options: Any) -> autogen.ChatResult:
    """Have the chat; the options (`store=`, `run_id=` …) are those of `initiate_chat`."""
    return student.initiate_chat(assistant_for_student, message=INPUT, max_turns=8, **options)


async def achat(**options: Any) -> autogen.ChatResult:
    """The same for those who await it."""
    return await student.a_initiate_chat(assistant_for_student, message=INPUT, max_turns=8, **options)


# What the stand-in says, and the two people, who are played where no model is configured.


def help_student(request: dict[str, Any]) -> Any:
    """Asks the expert first; then explains what came of it, and knows the rest by itself."""
    from convgraph.testing import Answer

    last = request["messages"][-1]
    if last["role"] == "tool":
        return f"The expert says: {last['content']} So the same side faces us all the time."
    if "far side" in last["content"]:
        return "We do see a little of it: the moon sways, and shows us 59 % of its surface in time."
    return Answer(tool_calls=[{"name": "ask_expert", "arguments": {"question": last["content"]}}])


PARTS = {
    "You help a student": help_student,
    "You draft answers for an expert": [
        "The moon does not turn on its axis.",
        "The moon turns on its axis once in the 27.3 days of its orbit; the tides have slowed its rotation down to that.",
    ],
}


def play_expert(question: autogen.Question) -> str:  # noqa: ARG001  # what the expert goes by is the draft
    """The expert, where nobody is there: objects to what is wrong, and else lets it through."""
    draft = expert.chat_messages[assistant_for_expert][-1]["content"]
    return "It does turn, and just as fast as it goes around us. Say why." if "does not turn" in draft else "exit"


def play_student(question: autogen.Question) -> str:  # noqa: ARG001  # what the student goes by is the explanation
    """The student, where nobody is there: has one more question."""
    explanation = student.chat_messages[assistant_for_student][-1]["content"]
    return "exit" if "59 %" in explanation else "Do we never see its far side, then?"


person = {"expert": play_expert, "student": play_student}


if __name__ == "__main__":
    from stage import endpoint

    with endpoint(PARTS) as stand_in:
        print("Drawn to", graph.draw("student_and_expert.svg"), "and", expert_graph.draw("expert.svg"), end="\n\n")
        run_id = sys.argv[1] if len(sys.argv) == 2 else None
        result = chat(store=STORE, run_id=run_id, human=person if stand_in else "console")
        for question in result.questions:
            print(f"{question.node} is asked: {question.prompt}")
            print(f"  convgraph answer {result.run_id} {question.id} '...' --store {STORE}")
            print(f"  python {sys.argv[0]} {result.run_id}")
        print(f"{result.status}: {result.stop_reason} (run {result.run_id}, {result.usage.calls} model calls, the expert's among them)")
