"""The shapes of chats, each a function to a graph: two agents, groups, sequences, nested chats, handoffs."""
