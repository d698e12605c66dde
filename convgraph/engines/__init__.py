"""Engines: who goes on with a run. This process, or workers on any number of hosts."""
