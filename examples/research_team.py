"""A research team of seven: a plan that a person approves, code that is written and run, findings that are criticised and written up.

Shows: a group chat whose transitions are restricted, a model that chooses the next speaker among those, a person in the group, and
an executor that really runs the engineer's code, in a sandbox. Without a key the person is played too; with one, you are asked.
"""

import re
from typing import Any

import convgraph as autogen

PAPERS = """year;title
2023;Language models answer patients' questions as well as physicians
2023;A chatbot tutor for first-year algebra
2024;Generating unit tests with language models
2024;Repairing programs with a model and a debugger
2024;Language models in triage: a hospital's first year
2025;Feedback on pupils' essays by language models
2025;From issue to patch: programming agents on real repositories"""


def admin_accepts(message: dict[str, Any]) -> bool:
    """The admin has accepted the report, which is what ends the chat."""
    return message.get("name") == "Admin" and message["content"].strip().upper().startswith("ACCEPTED")


admin = autogen.UserProxyAgent(
    "Admin",
    human_input_mode="ALWAYS",
    code_execution_config=False,
    description="A person. Approves the plan before anything is done, and accepts the report at the end.",
)
planner = autogen.AssistantAgent(
    "Planner",
    "You are the planner. Make a plan of a few numbered steps: say for each who does it (Engineer: writes code; Scientist: reads the "
    "findings; ResearchWriter: writes the report). Change it until the Admin approves.",
    description="Plans the work, and changes the plan when it is criticised.",
)
engineer = autogen.AssistantAgent(
    "Engineer",
    "You are the engineer of an approved plan. Write one whole Python program in a fenced block that prints what the plan asks for; "
    "standard library only, no network, no files: put the data into the program. When it fails, send the whole program corrected.",
    description="Writes the program, and corrects it when it fails.",
)
executor = autogen.UserProxyAgent(
    "Executor",
    human_input_mode="NEVER",
    code_execution_config={"executor": "bubblewrap", "bubblewrap": {"timeout": 30}, "last_n_messages": 3},
    default_auto_reply="There is no code to run.",
    description="Runs the Engineer's program and reports what it printed.",
)
scientist = autogen.AssistantAgent(
    "Scientist",
    "You are the scientist. Say in at most three sentences what the program's output means for the question. You write no code.",
    description="Reads the findings once the program has worked.",
)
critic = autogen.AssistantAgent(
    "Critic",
    "You are the critic. Check the last plan, finding or report against what the program printed; name what is wrong or missing, "
    "or say only: No objection.",
    description="Double-checks plans, findings and reports.",
)
writer = autogen.AssistantAgent(
    "ResearchWriter",
    "You are the research writer. Write the report in Markdown: a title, a table of the findings, one paragraph. Take in criticism.",
    description="Writes the report when the findings are clear.",
)

may_follow = {
    admin: [planner, engineer, critic, writer],
    planner: [admin, critic],
    engineer: [executor],
    executor: [engineer, scientist],
    scientist: [critic, engineer, writer],
    critic: [planner, engineer, scientist, writer, admin],
    writer: [critic, admin],
}
team = autogen.GroupChat(
    agents=[admin, planner, engineer, scientist, executor, critic, writer],
    max_round=50,
    allowed_or_disallowed_speaker_transitions=may_follow,
    speaker_transitions_type="allowed",
)
manager = autogen.GroupChatManager(team, is_termination_msg=admin_accepts, model=autogen.OpenAIChatModel())
graph = team.to_graph(admin, manager)

INPUT = f"""Which domains do these papers apply language models to, how many are there of each, and in which year did each begin?
{PAPERS}"""


def chat(**options: Any) -> autogen.ChatResult:
    """Have the chat; the options are those of `initiate_chat`."""
    return admin.initiate_chat(manager, message=INPUT, **options)


async def achat(**options: Any) -> autogen.ChatResult:
    """The same, asynchronously."""
    return await admin.a_initiate_chat(manager, message=INPUT, **options)


# What the stand-in says, and the person who is played where no model is configured.


def person(question: autogen.Question) -> str:  # noqa: ARG001  # what it goes by is the chat, not the question
    """The person, where nobody is there: approves the plan, and accepts the report."""
    reported = any(message["name"] == "ResearchWriter" for message in admin.chat_messages[manager])
    return "ACCEPTED, thank you." if reported else "APPROVED"


def choose_member(request: dict[str, Any]) -> dict[str, str]:
    """Whoever a reader of the last message would let speak, of those who may."""
    from stage import last_text

    allowed = request["response_format"]["json_schema"]["schema"]["properties"]["next"]["enum"]
    fitting = [name for sign, name in NEXT.items() if re.search(sign, last_text(request)) and name in allowed]
    return {"next": [*fitting, *allowed][0]}


NEXT = {
    "^1\\. ": "Critic",
    "^APPROVED": "Engineer",
    "execution failed": "Engineer",
    "execution succeeded": "Scientist",
    "in the report": "ResearchWriter",
    "^# ": "Critic",
    "No objection": "Admin",
}
PROGRAM = f"""
domains = {{"medicine": "patient hospital", "teaching": "tutor pupil", "programming": "test program patch"}}
papers = [line.split(";") for line in '''{PAPERS}'''.splitlines()[1:]]
for domain, words in domains.items():
    years = [int(year) for year, title in papers if any(word in title.lower() for word in words.split())]
    print(f"| {{domain}} | {{len(years)}} | {{min(years)}} |")
""".strip()
REPORT = """# What language models are applied to

| domain | papers | since |
|---|---|---|
| medicine | 2 | 2023 |
| teaching | 2 | 2023 |
| programming | 3 | 2024 |

Of seven papers three are on programming, the youngest domain."""


def fenced(code: str) -> str:
    """The code as a model sends it."""
    return f"```python\n{code}\n```"


PARTS = {
    "You choose who speaks next": choose_member,
    "You are the planner": ["1. Engineer: count papers and first years by domain.\n2. Scientist: read them.\n3. ResearchWriter: report."],
    "You are the engineer": [fenced(PROGRAM.replace("words.split()", "words.words()")), fenced(PROGRAM)],
    "You are the scientist": ["Programming is the youngest domain, and has the most papers."],
    "You are the critic": ["No objection.", "Right, but of seven papers only: say how many there are in the report.", "No objection."],
    "You are the research writer": [REPORT],
}


if __name__ == "__main__":
    from stage import endpoint

    with endpoint(PARTS) as stand_in:
        print("Drawn to", graph.draw("research_team.svg"), end="\n\n")
        if not stand_in:
            print("You are the Admin: say APPROVED to a plan that you like, and ACCEPTED to the report.\n")
        result = chat(store="research_team.db", human=person if stand_in else "console")
        print(f"{result.status}: {result.stop_reason}, {result.usage.calls} model calls, selections among them (run {result.run_id})")
