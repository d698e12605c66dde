"""The pure part: definition, guards, the machine; and what can be told of a graph without running it."""
