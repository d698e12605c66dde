"""The interpreter, the context of a turn, effects, selectors, replay: the only place where something happens."""
