"""`python -m convgraph`: the command line."""

import sys

from convgraph.cli import main

if __name__ == "__main__":
    sys.exit(main())
