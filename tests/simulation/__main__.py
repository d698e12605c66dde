"""Repeat one schedule and show what happened: `.venv/bin/python -m tests.simulation SEED`."""

from __future__ import annotations

import sys

from tests.simulation.schedule import simulate

outcome = simulate(int(sys.argv[1]))
sys.stdout.write("\n".join([*outcome.trace, *(f"broken: {promise}" for promise in outcome.wrong)]) + "\n")
sys.exit(1 if outcome.wrong else 0)
