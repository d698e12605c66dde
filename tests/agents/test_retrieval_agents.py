"""Retrieving agents show passages with their sources, further ones where they are asked, never one twice, and never for ever."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import DefinitionError, InputError
from convgraph.journal.events import EffectFinished, Stepped
from convgraph.knowledge.collection import Collection
from convgraph.knowledge.documents import Document
from convgraph.models.local_embedder import LocalEmbedder

PAGES = {
    "leave.md": "# Leave\n\nEverybody has 28 days of leave a year. Leave is asked for two weeks ahead, of the head of the department.",
    "travel.md": "# Travel\n\nTrips are booked by the travel desk. A hotel may cost 140 euros a night, in capitals 190 euros.",
    "laptops.md": "# Laptops\n\nA laptop is replaced after four years. A broken one is brought to the workshop in room 12.",
    "heads.md": "# Heads of departments\n\nResearch is headed by Ida Lund, sales by Omar Reyes, production by Kei Tanaka.",
    "canteen.md": "# Canteen\n\nThe canteen is open from eleven to two. On Fridays there is fish.",
    "parking.md": "# Parking\n\nBicycles stand in the yard, cars in the street. The gate is locked at eight in the evening.",
}
QUESTION = "Whom does somebody in research ask for leave?"
ASKS = "UPDATE CONTEXT: who heads the research department"
ANSWER = "Ida Lund, two weeks ahead [leave.md, heads.md]."


@pytest.fixture(scope="module")
def pages() -> Iterator[Collection]:
    """A small handbook, embedded by the real model."""
    collection = Collection(embedder=EMBEDDER)
    collection.add([Document(source, text, source, "markdown") for source, text in PAGES.items()])
    yield collection
    collection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same as files."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    for source, text in PAGES.items():
        (folder / source).write_text(text, encoding="utf-8")
    return folder


EMBEDDER = LocalEmbedder()
"""Shared, so that the model is read once."""


def retriever(collection: Collection | None = None, **config: Any) -> autogen.RetrieveUserProxyAgent:
    given = {"task": "qa", "n_results": 1, **({"embedding_function": EMBEDDER} if collection is None else {}), **config}
    return autogen.RetrieveUserProxyAgent("finder", "NEVER", retrieve_config=given, collection=collection, code_execution_config=False)


def assistant(*lines: Any, **options: Any) -> autogen.RetrieveAssistantAgent:
    script: Any = lines[0] if callable(lines[0]) else lines
    return autogen.RetrieveAssistantAgent("assistant", model=autogen.ScriptedModel(script, repeat=True), **options)


def ask(finder: autogen.RetrieveUserProxyAgent, to: autogen.ConversableAgent, **options: Any) -> autogen.ChatResult:
    return finder.initiate_chat(to, message=finder.message_generator, **{"problem": QUESTION, "silent": True, **options})


def shown(messages: list[autogen.Message]) -> list[dict[str, Any]]:
    """What the messages say that they show."""
    return [message.data["retrieved"] for message in messages if message.data]


def sources(messages: list[autogen.Message]) -> list[list[str]]:
    return [[source["source"] for source in each["sources"]] for each in shown(messages)]


def looks_in(store: Any, run_id: str) -> list[EffectFinished]:
    """The looks into the collection that a journal holds."""
    with autogen.open_store(store) as opened:
        events = [recorded.event for recorded in opened.events(run_id)]
    return [event for event in events if isinstance(event, EffectFinished) and event.name == "retrieve"]


# The loop


def test_an_answer_that_needs_two_documents_gets_the_second_one_when_it_asks(pages: Collection) -> None:
    result = ask(retriever(pages), assistant(ASKS, ANSWER))

    assert sources(result.messages) == [["leave.md"], ["heads.md"]]
    assert [each["query"] for each in shown(result.messages)] == [QUESTION, "who heads the research department"]
    assert "> Everybody has 28 days of leave a year." in result.messages[0].text
    assert "> Research is headed by Ida Lund" in result.messages[2].text
    assert all(message.text.endswith(f"The question: {QUESTION}") for message in (result.messages[0], result.messages[2]))
    assert (result.summary, result.status, result.stop_reason) == (ANSWER, "finished", "finder: answered")
    assert result.usage.calls == 2, "looking things up costs no model call"


def test_no_passage_is_shown_twice_and_the_end_says_why(pages: Collection) -> None:
    result = ask(retriever(pages, looks=100, n_results=2), assistant("UPDATE CONTEXT"))
    ids = [source["id"] for each in shown(result.messages) for source in each["sources"]]

    assert len(ids) == len(set(ids)) == len(PAGES)
    assert result.stop_reason == f"finder: nothing more is to be found on {QUESTION!r}"
    assert result.status == "finished"


def test_an_assistant_that_is_never_content_is_stopped(pages: Collection) -> None:
    result = ask(retriever(pages, looks=3), assistant(lambda request: f"UPDATE CONTEXT: {len(request.messages)} more"))

    assert [each["look"] for each in shown(result.messages)] == [1, 2, 3]
    assert result.stop_reason == "finder: something was looked up 3 times, which is to be enough"


def test_without_update_context_the_first_passages_are_all_there_are(pages: Collection) -> None:
    result = ask(retriever(pages, update_context=False), assistant(ASKS))

    assert len(result.messages) == 2
    assert "UPDATE CONTEXT" not in result.messages[0].text
    assert result.stop_reason == "finder: answered"


@pytest.mark.parametrize(
    ("answer", "asks"),
    [
        ("UPDATE CONTEXT", True),
        ("I do not know yet.\n**update context**: who heads research?", True),
        ("The prompt says to write UPDATE CONTEXT if it is not enough.", False),
        ("> UPDATE CONTEXT\nThat is what the passage says.", False),
        ("", False),
    ],
)
def test_only_a_line_that_begins_with_it_asks(pages: Collection, answer: str, asks: bool) -> None:
    assert len(shown(ask(retriever(pages, looks=2), assistant(answer, ANSWER)).messages)) == 1 + asks


def test_an_answer_without_the_prefix_is_not_taken_for_one(pages: Collection) -> None:
    result = ask(retriever(pages, customized_answer_prefix="The answer is"), assistant("Hm, hotels?", "**The answer is** Ida Lund."))

    assert len(shown(result.messages)) == 2
    assert shown(result.messages)[1]["query"] == QUESTION
    assert result.stop_reason == "finder: answered"


def test_agents_hold_no_conversation_so_two_chats_may_go_on_at_once(pages: Collection) -> None:
    finder, to = retriever(pages, looks=100), assistant("UPDATE CONTEXT")

    async def both() -> list[autogen.ChatResult]:
        options = {"message": finder.message_generator, "silent": True}
        chats = [finder.a_initiate_chat(to, problem=problem, **options) for problem in (QUESTION, "How dear may a hotel be?")]
        return list(await asyncio.gather(*chats))

    leave, hotel = asyncio.run(both())
    assert len(sources(leave.messages)) == len(sources(hotel.messages)) == len(PAGES)
    assert (sources(leave.messages)[0], sources(hotel.messages)[0]) == (["leave.md"], ["travel.md"])


def test_a_fork_counts_what_its_own_messages_show(pages: Collection, tmp_path: Path) -> None:
    """What was shown follows from the messages: where one is edited away, its passages may be shown again."""
    finder, to = retriever(pages), assistant(ASKS, ASKS, ANSWER)
    result = ask(finder, to, store=tmp_path / "runs.db")
    graph = to.chat_graph(finder)
    forked = graph.fork(result.run_id, store=tmp_path / "runs.db", at=2, message="I have lost the page on heads.")
    to_again = assistant(ASKS, ANSWER)
    end = to_again.chat_graph(finder).resume(forked, store=tmp_path / "runs.db", redo_turn=True)

    assert sources(list(end.messages)) == [["leave.md"], ["heads.md"]]


# The journal


def test_every_further_look_is_an_effect_and_says_its_sources(pages: Collection, tmp_path: Path) -> None:
    result = ask(retriever(pages), assistant(ASKS, ANSWER), store=tmp_path / "runs.db")
    [look] = looks_in(tmp_path / "runs.db", result.run_id)

    assert look.effect == "tool"
    assert [(one["place"], one["text"]) for one in look.result] == [("heads.md, lines 1–3", PAGES["heads.md"])]
    assert 0 < look.result[0]["score"] <= 1


def test_a_replay_needs_neither_the_documents_nor_the_collection(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "handbook.db"
    finder = retriever(docs_path=str(folder), db_config={"path": str(file)})
    to = assistant(ASKS, ANSWER)
    result = ask(finder, to, store=tmp_path / "runs.db")
    finder.collection.close()
    for leftover in tmp_path.glob("handbook.db*"):
        leftover.unlink()
    shutil.rmtree(folder)

    anew = retriever(docs_path=str(folder), db_config={"path": str(file)})
    replayed = assistant("not asked").chat_graph(anew).replay(result.run_id, store=tmp_path / "runs.db")
    again = ask(anew, assistant("not asked"), store=tmp_path / "runs.db", run_id=result.run_id)

    assert list(replayed.messages) == again.messages == result.messages
    assert replayed.usage == result.usage
    assert not file.exists()


DIES = """
    import os, signal, sys
    import convgraph as autogen

    handbook, store = sys.argv[1:]
    finder = autogen.RetrieveUserProxyAgent(
        "finder", "NEVER", retrieve_config={"task": "qa", "n_results": 1, "docs_path": handbook}, code_execution_config=False
    )

    def lines(request):
        if len(request.messages) == 1:
            return "UPDATE CONTEXT: who heads the research department"
        os.kill(os.getpid(), signal.SIGKILL)

    assistant = autogen.RetrieveAssistantAgent("assistant", model=autogen.ScriptedModel(lines))
    question = "Whom does somebody in research ask for leave?"
    finder.initiate_chat(assistant, message=finder.message_generator, problem=question, silent=True, store=store, run_id="r")
"""


def test_killed_after_a_look_it_goes_on_without_the_documents(folder: Path, tmp_path: Path, pages: Collection) -> None:
    """What was found is in the journal; no process looks for it again, or could."""
    script = tmp_path / "dies.py"
    script.write_text(textwrap.dedent(DIES), encoding="utf-8")
    died = subprocess.run([sys.executable, str(script), str(folder), str(tmp_path / "runs.db")], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    shutil.rmtree(folder)

    result = ask(retriever(docs_path=str(folder)), assistant(ANSWER), store=tmp_path / "runs.db", run_id="r")
    whole = ask(retriever(pages), assistant(ASKS, ANSWER))

    assert result.messages == whole.messages
    assert result.stop_reason == whole.stop_reason
    assert len(looks_in(tmp_path / "runs.db", "r")) == 1


def test_in_a_tool_the_first_look_is_a_part_of_the_call(pages: Collection, tmp_path: Path) -> None:
    """AutoGen's way of giving a group a tool that retrieves."""
    finder = retriever(pages)

    def handbook(question: str) -> str:
        """Passages of the handbook that answer a question."""
        return finder.message_generator(finder, None, {"problem": question})

    call = autogen.ToolCall("1", "handbook", '{"question": "When does the canteen open?"}')
    from convgraph.protocols import ModelReply

    clerk = autogen.AssistantAgent("clerk", model=autogen.ScriptedModel([ModelReply(tool_calls=(call,)), "At eleven."]), tools=[handbook])
    result = autogen.UserProxyAgent("boss", human_input_mode="NEVER", code_execution_config=False).initiate_chat(
        clerk, message="When can I eat?", max_turns=1, silent=True, store=tmp_path / "runs.db"
    )
    [look] = looks_in(tmp_path / "runs.db", result.run_id)

    assert result.summary == "At eleven."
    assert "@tool:handbook" in look.path
    assert look.result[0]["source"] == "canteen.md"


# Groups and graphs


def group(finder: Any, *members: Any, **options: Any) -> autogen.GroupChatManager:
    chat = autogen.GroupChat([finder, *members], max_round=12, speaker_selection_method="round_robin")
    return autogen.GroupChatManager(chat, **options)


def test_in_a_group_it_looks_up_what_the_group_was_asked_and_what_a_member_asks_for(pages: Collection, tmp_path: Path) -> None:
    boss = autogen.UserProxyAgent("boss", human_input_mode="NEVER", code_execution_config=False)
    clerk = autogen.AssistantAgent("clerk", model=autogen.ScriptedModel([ASKS, ANSWER]))
    checker = autogen.AssistantAgent("checker", model=autogen.ScriptedModel(["Go on.", "TERMINATE"]))
    manager = group(retriever(pages), clerk, checker)
    result = boss.initiate_chat(manager, message=QUESTION, silent=True, store=tmp_path / "runs.db")
    replayed = manager.chat_graph(boss).replay(result.run_id, store=tmp_path / "runs.db")

    assert [message.sender for message in result.messages] == ["boss", "finder", "clerk", "checker", "finder", "clerk", "checker"]
    assert sources(result.messages) == [["leave.md"], ["heads.md"]]
    assert len(looks_in(tmp_path / "runs.db", result.run_id)) == 2
    assert list(replayed.messages) == result.messages


def test_a_group_is_told_that_there_is_nothing_more_and_goes_on(pages: Collection) -> None:
    boss = autogen.UserProxyAgent("boss", human_input_mode="NEVER", code_execution_config=False)
    clerk = autogen.AssistantAgent("clerk", model=autogen.ScriptedModel(["UPDATE CONTEXT"], repeat=True))
    result = boss.initiate_chat(group(retriever(pages, n_results=6), clerk), message=QUESTION, silent=True)

    told = f"There are no further passages: nothing more is to be found on {QUESTION!r}\nGo by those that were shown."
    assert result.messages[3].text == told
    assert result.stop_reason == "max_round"
    assert len(shown(result.messages)) == 1


def test_a_member_may_open_the_group_with_its_passages(pages: Collection) -> None:
    finder = retriever(pages)
    clerk = autogen.AssistantAgent("clerk", model=autogen.ScriptedModel([ASKS, "TERMINATE"]))
    result = finder.initiate_chat(group(finder, clerk), message=finder.message_generator, problem=QUESTION, silent=True)

    assert [message.sender for message in result.messages] == ["finder", "clerk", "finder", "clerk"]
    assert sources(result.messages) == [["leave.md"], ["heads.md"]]


DIES_LOOKING = """
    import os, signal, sys
    import convgraph as autogen
    from convgraph.models.local_embedder import LocalEmbedder

    class Dying(LocalEmbedder):
        async def embed(self, texts):
            os.kill(os.getpid(), signal.SIGKILL)

    page, store = sys.argv[1:]
    config = {"task": "qa", "n_results": 1, "docs_path": page, "embedding_function": Dying()}
    finder = autogen.RetrieveUserProxyAgent("finder", "NEVER", retrieve_config=config, code_execution_config=False)
    assistant = autogen.RetrieveAssistantAgent("assistant", model=autogen.ScriptedModel(["not asked"]))
    chat = {"sender": finder, "recipient": assistant, "message": finder.message_generator, "problem": "Whom do I ask for leave?"}
    autogen.initiate_chats([{**chat, "silent": True}], store=store, run_id="r")
"""


def test_a_chat_of_a_sequence_killed_while_it_is_looked_up_is_simply_gone_on_with(tmp_path: Path) -> None:
    """Looking something up does nothing outside, so that nobody is asked whether it has happened."""
    page, script = tmp_path / "page.md", tmp_path / "dies.py"
    page.write_text("Leave is asked for of the head.", encoding="utf-8")
    script.write_text(textwrap.dedent(DIES_LOOKING), encoding="utf-8")
    died = subprocess.run([sys.executable, str(script), str(page), str(tmp_path / "runs.db")], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL

    finder = retriever(docs_path=str(page))
    chat = {"sender": finder, "recipient": assistant(ANSWER), "message": finder.message_generator, "problem": "Whom do I ask for leave?"}
    [result] = autogen.initiate_chats([{**chat, "silent": True}], store=tmp_path / "runs.db", run_id="r", human="park")

    assert (result.status, result.summary) == ("finished", ANSWER)
    assert sources(result.messages) == [["page.md"]]


def test_as_a_graph_the_loop_is_an_edge_that_is_drawn_and_can_be_left_out(pages: Collection) -> None:
    from convgraph.chat.retrieval import retrieval_graph

    graph = retrieval_graph(retriever(pages), assistant(ASKS, ANSWER))
    result = graph.run(QUESTION)
    looped = next(edge for edge in graph.definition.edges if edge.label == "asks for more")
    without = autogen.ConversationGraph("without")
    for node in (retriever(pages), assistant(ASKS, ANSWER)):
        without.add_node(node)
    for edge in graph.definition.edges:
        if edge is not looped:
            without.add_edge(edge.source, edge.target, edge.guard, label=edge.label)
    without.set_start("finder")

    assert graph.check() == []
    assert sources(list(result.messages)) == [["leave.md"], ["heads.md"]]
    assert result.stop_reason == "reached END: answered"
    assert (looped.source, looped.target) == ("assistant", "finder")
    assert "asks for more" in graph.to_mermaid()
    assert sources(list(without.run(QUESTION).messages)) == [["leave.md"]]


def test_the_graph_says_how_often_and_the_collection_how_long(pages: Collection) -> None:
    from convgraph.chat.retrieval import retrieval_graph

    twice = retrieval_graph(retriever(pages), assistant("UPDATE CONTEXT"), looks=2).run(QUESTION)
    until_empty = retrieval_graph(retriever(pages, n_results=4, looks=90), assistant("UPDATE CONTEXT"), looks=90).run(QUESTION)

    assert len(shown(list(twice.messages))) == 2
    assert twice.stop_reason == "reached END: looked 2 times"
    assert [len(each["sources"]) for each in shown(list(until_empty.messages))] == [4, 2]
    assert until_empty.stop_reason == f"reached END: finder: nothing more is to be found on {QUESTION!r}"


def test_a_graph_that_goes_on_looks_up_the_next_question(pages: Collection, tmp_path: Path) -> None:
    from convgraph.chat.retrieval import retrieval_graph

    graph = retrieval_graph(retriever(pages), assistant(ANSWER, "140 euros."))
    first = graph.run(QUESTION, store=tmp_path / "runs.db")
    second = graph.continue_(first.run_id, "How dear may a hotel be?", store=tmp_path / "runs.db")

    assert sources(list(second.messages)) == [["leave.md"], ["travel.md"]]
    assert second.messages[-1].text == "140 euros."


def test_retrieval_graph_refuses_what_makes_no_sense(pages: Collection) -> None:
    from convgraph.chat.retrieval import retrieval_graph

    for looks in (0, True, "3"):
        with pytest.raises(DefinitionError, match="looks="):
            retrieval_graph(retriever(pages), assistant(ANSWER), looks=looks)  # type: ignore[arg-type]


# What is shown


def test_a_prompt_of_ones_own_is_filled_once(pages: Collection) -> None:
    """What a passage or the question says is not looked at for places to fill."""
    prompt = "Q {input_question} / C {input_context} / {other}"
    result = ask(retriever(pages, customized_prompt=prompt), assistant(ANSWER), problem="Is there {input_context} on Fridays?")

    assert result.messages[0].text.startswith("Q Is there {input_context} on Fridays? / C [1] ")
    assert result.messages[0].text.endswith("/ {other}")


def test_as_many_passages_are_shown_as_fit_and_at_least_one(pages: Collection) -> None:
    few = ask(retriever(pages, n_results=6, context_max_tokens=60), assistant(ANSWER))
    one = ask(retriever(pages, n_results=6, custom_token_count_function=lambda text: 10**6), assistant(ANSWER))
    rest = ask(retriever(pages, n_results=6, context_max_tokens=60, looks=9), assistant("UPDATE CONTEXT"))

    assert len(sources(few.messages)[0]) == 2
    assert len(sources(one.messages)[0]) == 1
    assert sorted(source for each in sources(rest.messages) for source in each) == sorted(PAGES), "what did not fit comes later"


def test_a_hook_that_changes_the_words_leaves_the_sources(pages: Collection) -> None:
    finder = retriever(pages)
    finder.register_hook("process_message_before_send", lambda sender, message, recipient, silent: {**message, "content": "Look."})
    result = ask(finder, assistant(ASKS, ANSWER))

    assert [message.text for message in result.messages][::2] == ["Look.", "Look."]
    assert sources(result.messages) == [["leave.md"], ["heads.md"]]


def test_a_chat_may_say_how_many_and_what_they_hold(pages: Collection) -> None:
    three = ask(retriever(pages), assistant(ANSWER), n_results=3)
    holding = ask(retriever(pages), assistant(ANSWER), search_string="fish")
    none = ask(retriever(pages), assistant("No."), search_string="unicorn")

    assert len(sources(three.messages)[0]) == 3
    assert sources(holding.messages) == [["canteen.md"]]
    assert sources(none.messages) == [[]]
    assert "(No passage of the documents fits.)" in none.messages[0].text


def test_what_is_far_away_is_not_shown(pages: Collection) -> None:
    near = ask(retriever(pages, n_results=6, distance_threshold=0.6), assistant(ANSWER))
    assert 0 < len(sources(near.messages)[0]) < len(PAGES)


def test_words_find_what_meaning_does_not(pages: Collection) -> None:
    result = ask(retriever(pages, search_by="words"), assistant(ANSWER), problem="Tanaka")
    assert sources(result.messages) == [["heads.md"]]


# Documents


def test_documents_are_read_before_the_first_look_and_not_before(folder: Path) -> None:
    finder = retriever(docs_path=[str(folder / "leave.md"), str(folder / "heads.md")])
    assert finder.collection.count == 0
    ask(finder, assistant(ANSWER))
    assert finder.collection.sources == ["heads.md", "leave.md"]


def test_a_path_that_is_not_there_fails_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no-such\.md"):
        ask(retriever(docs_path="no-such.md"), assistant(ANSWER), store=tmp_path / "runs.db")
    assert not (tmp_path / "runs.db").exists()


def test_nothing_to_search_is_an_error_and_not_an_answer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no document in"):
        ask(retriever(docs_path=str(tmp_path)), assistant(ANSWER))
    with pytest.raises(InputError, match="nothing in the collection 'documents'"):
        ask(retriever(db_config={"path": str(tmp_path / "new.db")}), assistant(ANSWER))
    with pytest.raises(InputError, match="put documents in"):
        ask(retriever(Collection(embedder=EMBEDDER)), assistant(ANSWER))


def test_what_becomes_of_a_collection_that_is_there(folder: Path, tmp_path: Path) -> None:
    kept = {"db_config": {"path": str(tmp_path / "kept.db")}, "collection_name": "house"}

    def after(**config: Any) -> list[str]:
        finder = retriever(**kept, **config)
        ask(finder, assistant(ANSWER))
        return finder.collection.sources

    assert after(docs_path=str(folder / "leave.md")) == ["leave.md"]
    assert after() == ["leave.md"], "what is there is enough"
    assert after(docs_path=str(folder / "heads.md")) == ["heads.md", "leave.md"]
    assert after(docs_path=str(folder), new_docs=False) == ["heads.md", "leave.md"]
    with pytest.raises(InputError, match="'house' is there already"):
        after(docs_path=str(folder), get_or_create=False)
    assert after(docs_path=str(folder / "travel.md"), overwrite=True) == ["travel.md"]


def test_chunks_may_end_at_empty_lines_only_or_where_a_function_says(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text("One. Two. Three.\nFour. Five. Six.\n\nSeven. Eight.\n\n\nNine.\n", encoding="utf-8")

    def chunks(**config: Any) -> list[str]:
        finder = retriever(docs_path=str(page), n_results=99, **config)
        ask(finder, assistant(ANSWER))
        return sorted((found.text for found in finder.collection.search("numbers", 99)), key=page.read_text().index)

    whole = ["One. Two. Three.\nFour. Five. Six.", "Seven. Eight.", "Nine."]
    assert chunks(chunk_token_size=14, must_break_at_empty_line=True) == [whole[0], f"{whole[1]}\n\n\n{whole[2]}"]
    assert chunks(chunk_token_size=13, must_break_at_empty_line=True)[1:] == [f"{whole[1]}\n\n\n{whole[2]}"]
    assert chunks(custom_text_split_function=lambda text, tokens: text.split("\n\n")[:2]) == whole[:2]


# Bad input


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"docs_pth": "x"}, "has no 'docs_pth': it takes chunk_token_size, collection_name"),
        ({"client": object()}, "SQLite"),
        ({"vector_db": "chroma"}, "SQLite"),
        ({"vector_db": 7}, "convgraph.knowledge.Collection"),
        ({"chunk_mode": "one_line"}, "custom_text_split_function"),
        ({}, "nothing to look into"),
        ({"docs_path": []}, "docs_path is a path"),
        ({"docs_path": [7]}, "docs_path is a path"),
        ({"docs_path": "https://example.org/x.md"}, "is an address"),
        ({"docs_path": "x", "task": "chat"}, "task is one of qa, code, default"),
        ({"docs_path": "x", "n_results": 0}, "n_results is 1 or more"),
        ({"docs_path": "x", "n_results": True}, "n_results is int"),
        ({"docs_path": "x", "looks": "3"}, "looks is int"),
        ({"docs_path": "x", "customized_prompt": "{input_question}"}, "input_context"),
        ({"docs_path": "x", "embedding_model": "no-such-model"}, "no embedding_model='no-such-model'"),
        ({"docs_path": "x", "embedding_function": len}, "is an embedder"),
        ({"docs_path": "x", "custom_token_count_function": 3}, "is a function"),
        ({"docs_path": "x", "db_config": {"host": "x"}}, "db_config takes 'path', not host"),
        ({"docs_path": "x", "search_by": "smell"}, "search_by is one of"),
        ({"docs_path": "x", "search_by": "words", "distance_threshold": 0.5}, "distance of meanings"),
        ({"docs_path": "x", "update_context": "no"}, "update_context is bool"),
        ([("docs_path", "x")], "retrieve_config= is a mapping"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused_by_name(config: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match="agent 'finder'") as refused:
        autogen.RetrieveUserProxyAgent("finder", "NEVER", retrieve_config=config)
    assert said in str(refused.value)


def test_a_collection_brings_its_own_settings(pages: Collection) -> None:
    with pytest.raises(DefinitionError, match="collection_name is the collection's own"):
        retriever(pages, collection_name="other")
    with pytest.raises(DefinitionError, match="give one of them"):
        retriever(pages, vector_db=pages)


@pytest.mark.parametrize(
    "context", [{"problem": None}, {"problem": " "}, {"problem": 7}, {"n_results": 0}, {"n_results": "3"}, {"search_string": 3}]
)
def test_a_chat_without_a_question_is_refused_before_anything_is_written(pages: Collection, context: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="agent 'finder'"):
        ask(retriever(pages), assistant(ANSWER), store=tmp_path / "runs.db", **context)
    assert not (tmp_path / "runs.db").exists()


def test_a_generator_of_messages_is_for_retrieving_agents(pages: Collection) -> None:
    other = autogen.ConversableAgent("other", human_input_mode="NEVER")
    with pytest.raises(InputError, match="RetrieveUserProxyAgent"):
        other.initiate_chat(assistant(ANSWER), message=retriever(pages).message_generator, problem=QUESTION, silent=True)


# As an agent among others


def test_it_can_be_had_as_a_plain_user_proxy(pages: Collection) -> None:
    """Without a question nothing is looked up; an answer of the other one is no question."""
    result = retriever(pages).initiate_chat(assistant("Hello.", "Well."), message="Hi.", max_turns=2, silent=True)
    assert shown(result.messages) == []
    assert result.stop_reason == "max_turns"


def test_whoever_opens_a_chat_with_it_asks_it(pages: Collection) -> None:
    boss = autogen.ConversableAgent("boss", human_input_mode="NEVER", default_auto_reply="And how dear may a hotel be?")
    result = boss.initiate_chat(retriever(pages), message=QUESTION, max_turns=2, silent=True)
    assert sources(result.messages) == [["leave.md"], ["travel.md"]]
    assert retriever(pages).generate_reply([{"role": "user", "content": QUESTION}]) == result.messages[1].text


def test_a_person_has_the_word_before_passages_do(pages: Collection) -> None:
    finder = autogen.RetrieveUserProxyAgent("finder", collection=pages, code_execution_config=False)
    asked = iter(["", "exit"])
    result = ask(finder, assistant(ASKS, ANSWER), human=lambda question: next(asked))

    assert len(shown(result.messages)) == 2
    assert result.stop_reason == "finder: a person ended the chat"


def test_code_in_an_answer_is_run_and_its_success_ends_the_chat(pages: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finder = autogen.RetrieveUserProxyAgent(
        "finder",
        "NEVER",
        retrieve_config={"task": "code"},
        collection=pages,
        code_execution_config={"executor": "bubblewrap"},
    )
    result = ask(finder, assistant("```python\nprint(28 - 3)\n```"), problem="How many days of leave are left after three?")

    assert "exitcode: 0 (execution succeeded)\nCode output: 25" in result.messages[2].text
    assert result.messages[3].text == "TERMINATE"
    assert (result.stop_reason, result.usage.calls) == ("finder: termination message", 1)


def test_code_in_a_question_is_looked_up_and_code_of_a_participant_is_run(
    pages: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finder = autogen.RetrieveUserProxyAgent("finder", "NEVER", collection=pages, code_execution_config={"executor": "bubblewrap"})
    graph = autogen.ConversationGraph("coding")
    graph.add_node(finder)
    graph.add_node(lambda ctx: "```python\nprint(40 + 2)\n```", name="coder")
    graph.add_edge("finder", autogen.END, when="visits['finder'] > 1")
    graph.add_edge("finder", "coder")
    graph.add_edge("coder", "finder")
    graph.set_start("finder")
    result = graph.run("What does this do?\n```python\nprint('not run')\n```")

    assert len(shown(list(result.messages))) == 1
    assert "Code output: 42" in result.messages[-1].text


def test_only_an_executors_own_words_end_the_chat_for_the_assistant() -> None:
    to = assistant("Still here.")
    assert to.generate_reply([{"role": "user", "content": "> exitcode: 0 (execution succeeded)"}]) == "Still here."
    assert to.generate_reply([{"role": "user", "content": "exitcode: 0 (execution succeeded)\nCode output: 1"}]) == "TERMINATE"


def test_what_it_is_stands_in_its_description_without_places(pages: Collection, folder: Path) -> None:
    described = retriever(docs_path=str(folder), db_config={"path": "x.db"}, search_by="both").describe()
    assert described["retrieve_config"] == {
        "task": "qa",
        "n_results": 1,
        "context_max_tokens": 3000,
        "collection": {"name": "documents", "embedder": {"type": "local", "model": "all-MiniLM-L6-v2"}},
        "by": "both",
        "update_context": True,
        "looks": 5,
    }
    assert str(folder) not in str(described)


def test_documents_hold_the_assistant_and_refuse_the_retriever(pages: Collection) -> None:
    from convgraph.chat.retrieval import retrieval_graph

    finder, to = retriever(pages), autogen.RetrieveAssistantAgent("assistant", model=autogen.OpenAIChatModel("gpt-x"))
    text = retrieval_graph(finder, to).to_yaml()
    with pytest.raises(DefinitionError, match=r"RetrieveUserProxyAgent.*speakers="):
        autogen.ConversationGraph.from_yaml(text)
    read = autogen.ConversationGraph.from_yaml(text, speakers={"finder": finder})
    assert read.fingerprint == retrieval_graph(finder, to).fingerprint


def test_steps_are_as_many_as_turns(pages: Collection, tmp_path: Path) -> None:
    """A look is part of the turn that it is for; a run of three turns has three steps."""
    result = ask(retriever(pages), assistant(ASKS, ANSWER), store=tmp_path / "runs.db")
    with autogen.open_store(tmp_path / "runs.db") as store:
        steps = [recorded.event for recorded in store.events(result.run_id) if isinstance(recorded.event, Stepped)]
    assert [step.node for step in steps] == ["assistant", "finder", "assistant", "finder"]
