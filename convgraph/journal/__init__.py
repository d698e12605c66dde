"""Events, their codec, and the stores that keep them."""
