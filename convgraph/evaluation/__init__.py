"""Evaluation: a graph over a table of cases, two graphs or models compared, and stored runs as tests."""
