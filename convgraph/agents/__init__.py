"""Who speaks: an agent is a definition (a prompt, a model, a description), never a holder of conversation state."""
