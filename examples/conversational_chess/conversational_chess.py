"""A game of chess that is talked about: each side is a model, an engine or a person, and an illegal move is sent back.

Shows: a board as typed state, moved by a node that is a pure function of it; an engine as an effect; a person who may take a week; a
bounded way back for moves that are not legal, with the reason; every end of a game (mate, draw, resignation, forfeit, too many moves)
as an edge to the end. AutoGen's conversational chess, whose referee is hidden in nested chats and a tool, as a graph.
"""

import argparse
import operator
import re
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import chess
import chess.engine
import chess.svg
import pydantic

import convgraph as autogen
from convgraph.chat.state import ChatState
from convgraph.errors import DefinitionError, ExecutorUnavailable

Colour: TypeAlias = Literal["white", "black"]
Side: TypeAlias = Literal["model", "engine", "person"]

TRIES = 3
"""How many moves in a row may be illegal before the game is lost."""
MOST_MOVES = 120
"""How many moves a game may have, both sides' counted."""
NODES = 5000
"""How far the engine thinks. Positions rather than seconds: so that it plays the same game on every machine."""

NUMBER = re.compile(r"^\s*\d+\.+")
"""The number of a move, as in `1. e4` and `1... e5`."""


class Game(ChatState):
    """A game as it stands: the moves so far (in chess notation), whose turn it is, and how it has ended, if it has."""

    moves: Annotated[list[str], autogen.Reducer(operator.add)] = pydantic.Field(default_factory=list)
    to_move: Colour = "white"
    refused: int = 0
    ended: Literal["", "checkmate", "draw", "resigned"] = ""


def position(moves: list[str]) -> chess.Board:
    """The board after these moves."""
    board = chess.Board()
    for move in moves:
        board.push_san(move)
    return board


def drawn(board: chess.Board) -> str:
    """The board as text: the pieces (White's are capitals), the position in Forsyth-Edwards notation, and who is to move."""
    ranks = "\n".join(f"{8 - number} {rank}" for number, rank in enumerate(str(board).splitlines()))
    return f"{ranks}\n  a b c d e f g h\nFEN: {board.fen()}\n{colour_of(board.turn).capitalize()} to move."


def colour_of(turn: bool) -> Colour:
    """Whose turn it is, in words."""
    return "white" if turn == chess.WHITE else "black"


def board_svg(moves: list[str]) -> str:
    """The board after these moves as a picture, with the last move marked."""
    board = position(moves)
    return chess.svg.board(board, lastmove=board.peek() if board.move_stack else None, size=360)


# The board: what it says and how the game stands follows from the state and from the last message alone.


def board(ctx: autogen.Context) -> autogen.Reply:
    """Make the move that the last message begins with, or say why it cannot be made."""
    game: Game = ctx.state
    now = position(game.moves)
    words = ctx.last.text if ctx.last is not None and ctx.last.sender == game.to_move else ""
    said = next(iter(NUMBER.sub("", words).split()), "").rstrip("!?.,;:")
    if said.lower() in ("resign", "resigns"):
        return ended(now, "resigned", f"{game.to_move.capitalize()} resigns: {'0-1' if now.turn else '1-0'}.")
    move = move_in(now, said)
    if isinstance(move, str):
        return refused(now, game, move)
    made = now.san(move)
    number = f"{now.fullmove_number}.{'' if now.turn else '..'}"
    now.push(move)
    update = {"moves": [made], "to_move": colour_of(now.turn), "refused": 0}
    if now.is_checkmate():
        return ended(now, "checkmate", f"{number} {made}\nCheckmate: {now.result()}.", update)
    if why := drawn_by(now):
        return ended(now, "draw", f"{number} {made}\n{why}: 1/2-1/2.", update)
    return autogen.Reply(f"{number} {made}\n{drawn(now)}", update=update)


def drawn_by(board: chess.Board) -> str:
    """Why neither side can win any more, or has tried for too long; empty where the game goes on."""
    rules = {
        "Stalemate": board.is_stalemate(),
        "Insufficient material": board.is_insufficient_material(),
        "Threefold repetition": board.is_repetition(3),
        "Fifty moves": board.is_fifty_moves(),
    }
    return next((why for why, holds in rules.items() if holds), "")


def move_in(board: chess.Board, said: str) -> chess.Move | str:
    """The move that this word is (`Nf3`, `e2e4`), or what is wrong with it."""
    if not said:
        return "There is no move in that"
    try:
        move = board.parse_san(said)
    except chess.AmbiguousMoveError:
        return f"{said} could be more than one piece's move"
    except chess.IllegalMoveError:
        return f"{said} is not legal here"
    except chess.InvalidMoveError:
        move = _by_squares(said)
    if move is None or move not in board.legal_moves:
        return f"{said:.20} is no move that can be made here"
    return move


def _by_squares(said: str) -> chess.Move | None:
    try:
        return chess.Move.from_uci(said.lower())
    except chess.InvalidMoveError:
        return None


def refused(now: chess.Board, game: Game, why: str) -> autogen.Reply:
    """Say that a move is none; after too many of them, that the game is lost."""
    times = game.refused + 1
    if times >= TRIES:
        lost = f"{why}: {times} in a row. {game.to_move.capitalize()} forfeits the game: {'0-1' if now.turn else '1-0'}."
        return autogen.Reply(lost, update={"refused": times})
    legal = ", ".join(sorted(now.san(move) for move in now.legal_moves))
    advice = f"Begin with your move. Legal are: {legal}."
    return autogen.Reply(f"{why} ({times} of {TRIES} in a row). {advice}\n{drawn(now)}", update={"refused": times})


def ended(now: chess.Board, how: str, text: str, update: dict[str, Any] | None = None) -> autogen.Reply:
    """Say how the game has ended, and what was played."""
    played = chess.Board().variation_san(now.move_stack) or "no moves"
    return autogen.Reply(f"{text} ({played})", update={**(update or {}), "ended": how})


# The sides.


def model(colour: Colour) -> autogen.AssistantAgent:
    """A player who is a language model, and talks."""
    return autogen.AssistantAgent(
        colour,
        f"You play {colour} in a game of chess. Begin your answer with your move in standard notation (Nf3, exd5, O-O), alone on the first "
        "line. On the second you may say something to your opponent, in a sentence: you are fond of banter, and never rude. "
        "To give up, answer: resign.",
    )


async def ask_engine(ctx: autogen.Context) -> str:
    """Have the engine play: what it answers is recorded, and not asked for again."""
    return await ctx.effect("stockfish", best_move, ctx.state.moves, idempotent=True)


def best_move(moves: list[str]) -> str:
    """What the engine plays here, in chess notation. Raises `ExecutorUnavailable` where there is none."""
    program = shutil.which("stockfish") or shutil.which("stockfish", path="/usr/games")
    if program is None:
        raise ExecutorUnavailable("the engine is not installed: apt-get install stockfish (or let a model or a person play)")
    board = position(moves)
    with chess.engine.SimpleEngine.popen_uci(program) as engine:
        engine.configure({"Threads": 1, "Hash": 16})
        played = engine.play(board, chess.engine.Limit(nodes=NODES))
    return "resign" if played.move is None else board.san(played.move)


async def ask_person(ctx: autogen.Context) -> str:
    """Have a person play, who may say something besides; the answer may come in any process."""
    colour: Colour = ctx.state.to_move
    return await ctx.ask(f"{ctx.last.text if ctx.last is not None else ''}\nYour move, {colour}?", to=colour)


def game(white: Side = "model", black: Side = "model", most_moves: int = MOST_MOVES) -> autogen.ConversationGraph:
    """A game between these two as a graph. Raises `DefinitionError` for a side that is none of the three."""
    most_turns = 2 * TRIES * (most_moves + 1)
    graph = autogen.ConversationGraph("chess", state=Game, limits=autogen.Limits(turns=most_turns))
    sides: dict[Colour, Side] = {"white": white, "black": black}
    for colour, side in sides.items():
        if side not in ("model", "engine", "person"):
            raise DefinitionError(f"{colour}={side!r}: a side is 'model', 'engine' or 'person'")
        player = model(colour) if side == "model" else ask_engine if side == "engine" else ask_person
        graph.add_node(player, name=colour, description=f"plays {colour} ({side})")
    graph.add_node(board, description="makes moves, and refuses those that are none")
    for colour in sides:
        graph.add_edge(colour, "board")
    for end in ("checkmate", "draw", "resigned"):
        graph.add_edge("board", autogen.END, when=f"state.ended == '{end}'", label=end)
    graph.add_edge("board", autogen.END, when=f"state.refused >= {TRIES}", label="forfeit")
    graph.add_edge("board", autogen.END, when=f"size(state.moves) >= {most_moves}", label="too many moves")
    for colour in sides:
        graph.add_edge("board", colour, when=f"state.to_move == '{colour}' && state.refused == 0", label=f"{colour} to move")
        graph.add_edge("board", colour, when=f"state.to_move == '{colour}' && state.refused > 0", label="not legal: again")
    graph.set_start("white")
    return graph


graph = game()


class Table(autogen.ConversableAgent):
    """Where games are played: a chat with it is a game between the two who sit there."""

    def __init__(self, graph: autogen.ConversationGraph) -> None:
        super().__init__("table", human_input_mode="NEVER")
        self.game = graph

    def chat_graph(self, initiator: Any, summary: Any = None) -> autogen.ConversationGraph:  # noqa: ARG002  # a game is the same for whoever asks for it
        return self.game


arbiter = autogen.ConversableAgent("arbiter", human_input_mode="NEVER")
INPUT = f"A game of chess. White begins.\n{drawn(chess.Board())}"


def chat(white: Side = "model", black: Side = "model", most_moves: int = MOST_MOVES, **options: Any) -> autogen.ChatResult:
    """Have a game played; the options (`store=`, `run_id=`, `human=` …) are those of `initiate_chat`."""
    return arbiter.initiate_chat(Table(game(white, black, most_moves)), message=INPUT, **options)


async def achat(white: Side = "model", black: Side = "model", most_moves: int = MOST_MOVES, **options: Any) -> autogen.ChatResult:
    """The same for those who await it."""
    return await arbiter.a_initiate_chat(Table(game(white, black, most_moves)), message=INPUT, **options)


# What the stand-in says, and the person who is played where no model is configured: beyond a few lines, they take what they see.

MISTAKE = "Qh6"

LINES: dict[Colour, list[str]] = {
    "white": [
        "e4\nThe king's pawn. I have been told that you collect them.",
        f"{MISTAKE}\nThat should frighten you.",
        "Qh5\nThen from over here. Still frightened?",
        "Bc4\nThe bishop would like to see it as well.",
        "Qxf7#\nIt was a short evening. Another one?",
    ],
    "black": [
        "e5\nI collect kings, too.",
        "Nc6\nOf a queen who comes out before breakfast? Hardly.",
        "Nf6\nShoo.",
    ],
}


def plays(colour: Colour) -> Any:
    """What a player says who has learnt some lines by heart, and else makes the first move that comes to mind."""

    def says(request: dict[str, Any]) -> str:
        from stage import last_text, times_spoken

        shown, known = last_text(request), LINES[colour][times_spoken(request) :]
        if known and known[0].splitlines()[0] in (MISTAKE, *_legal(shown)):
            return known[0]
        return f"{_first(shown)}\nWe shall see."

    return says


PARTS = {"You play white": plays("white"), "You play black": plays("black")}


def _legal(text: str) -> tuple[str, ...]:
    """The legal moves in the position that a text ends with."""
    board = _shown(text)
    return tuple(board.san(move) for move in board.legal_moves)


def _first(text: str) -> str:
    """A mate if there is one, else a capture, else any move."""
    return min(_legal(text), key=lambda move: (not move.endswith("#"), "x" not in move, move))


def _shown(text: str) -> chess.Board:
    return chess.Board(re.findall(r"FEN: (.+)", text)[-1])


def play_person(question: autogen.Question) -> str:
    """A person, where nobody is there."""
    return f"{_first(question.prompt)}\nI am new to this."


person = {"white": play_person, "black": play_person}


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    from stage import endpoint

    parser = argparse.ArgumentParser(description="Have a game of chess played.")
    for each in ("white", "black"):
        parser.add_argument(f"--{each}", choices=["model", "engine", "person"], default="model")
    chosen = parser.parse_args()

    with endpoint(PARTS) as stand_in:
        print("Drawn to", game(chosen.white, chosen.black).draw("conversational_chess.svg"), end="\n\n")
        human = person if stand_in else "console"
        result = chat(chosen.white, chosen.black, store="conversational_chess.db", human=human, silent=True)
        for message in result.messages:
            print(f"{message.sender:>8}  {message.text.replace(chr(10), chr(10) + ' ' * 10)}")
        Path("conversational_chess_board.svg").write_text(board_svg(result.state.moves), encoding="utf-8")
        print("\nThe board: conversational_chess_board.svg")
        print(f"{result.status}: {result.stop_reason} (run {result.run_id}, {result.usage.calls} model calls)")
