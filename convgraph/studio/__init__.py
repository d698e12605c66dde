"""The studio: a web page to look at graphs, follow and wind back their runs, answer what they ask, and change them."""
