"""The pure part: definition, guards, the machine, checks, documents, differences, paths, simulation."""
