"""Code is written, run, found wrong, and fixed: a model writes it, and a sandbox runs it for real.

Shows: AutoGen's pair of an assistant and a user proxy, `code_execution_config`, code as an effect that is run once and recorded, what
the sandbox printed as the message that the model reads next.
"""

from typing import Any

import convgraph as autogen


def is_done(message: dict[str, Any]) -> bool:
    """Whether the assistant says that the task is done."""
    return str(message.get("content") or "").rstrip().endswith("TERMINATE")


assistant = autogen.AssistantAgent("assistant")

# A sandbox without network that sees no file but its own. With {"use_docker": True} code runs in a container, which is also what runs
# it if nothing is said here; with {"use_docker": False} it is a plain process of this machine, and can do what you can.
SANDBOX = {"executor": "bubblewrap", "bubblewrap": {"timeout": 30}}

computer = autogen.UserProxyAgent(
    "computer",
    human_input_mode="NEVER",
    is_termination_msg=is_done,
    max_consecutive_auto_reply=6,
    code_execution_config=SANDBOX,
    default_auto_reply="There was no code to run. Go on, or say TERMINATE if the task is done.",
)

CHAT = {"message": "How many of the first 1000 primes are palindromes, and which is the largest of them?"}


graph = assistant.chat_graph(computer)


def chat(**options: Any) -> autogen.ChatResult:
    """Have the chat; the options (`store=`, `run_id=` …) are those of `initiate_chat`."""
    return computer.initiate_chat(assistant, **CHAT, **options)


async def achat(**options: Any) -> autogen.ChatResult:
    """The same for those who await it."""
    return await computer.a_initiate_chat(assistant, **CHAT, **options)


# What the stand-in says: a program with a mistake, the same without it when it sees the traceback, then what the program printed.

PROGRAM = """
def primes(count):
    found = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found if prime * prime <= number):
            found.append(number)
        number += 1
    return found

palindromes = [prime for prime in primes(1000) if str(prime) == str(prime)[::-1]]
print(len(palindromes), "of them, the largest is", max(palindromes))
""".strip()


def fenced(code: str) -> str:
    """The code as a model sends it."""
    return f"```python\n{code}\n```"


def work(request: dict[str, Any]) -> str:
    """What a programmer says to the last message."""
    from stage import last_text

    said = last_text(request)
    if "execution failed" in said:
        return f"A number has no digits to turn around; its text has.\n{fenced(PROGRAM)}"
    if "execution succeeded" in said:
        return f"There are {said.rsplit('Code output:', 1)[1].strip()}.\n\nTERMINATE"
    return f"This program counts them.\n{fenced(PROGRAM.replace('str(prime)[::-1]', 'prime[::-1]'))}"


PARTS = {"You are a helpful assistant": work}


if __name__ == "__main__":
    from stage import endpoint

    with endpoint(PARTS):
        print("Drawn to", graph.draw("code_and_fix.svg"), end="\n\n")
        result = chat(store="code_and_fix.db")
        print(f"{result.status}: {result.stop_reason} (run {result.run_id}, {result.usage.calls} model calls)")
        print("Answer:", result.summary)
