"""OpenAI's Responses interface: for the models and settings that chat completions do not have."""

from __future__ import annotations

from typing import ClassVar

from convgraph.models.dialect import Dialect
from convgraph.models.openai_model import OpenAIModel
from convgraph.models.responses_answer import CollectedResponse, read_response
from convgraph.models.responses_wire import responses_body

RESPONSES = Dialect(kind="openai_responses", path="/responses", write=responses_body, read=read_response, collect=CollectedResponse)


class OpenAIResponsesModel(OpenAIModel):
    """A model that is asked through the Responses interface. Its settings are those of `OpenAIModel`.

    Unless a request says what the endpoint remembers (as those of a `GPTAssistantAgent` do), it is asked to store nothing and told
    the whole conversation each time; a model's reasoning is then not carried from one request to the next. Messages have no
    names here: others' words begin with their sender's.
    """

    dialect: ClassVar[Dialect] = RESPONSES
