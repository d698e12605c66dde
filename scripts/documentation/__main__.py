"""`python -m scripts.documentation [FOLDER]`: build the site into FOLDER (build/documentation) and put it into build/site."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from convgraph.errors import ConvgraphError
from scripts.documentation.problems import DocumentationError
from scripts.documentation.site import ROOT, build


def main() -> int:
    """Build the site; the exit code says whether it was built."""
    try:
        built = build(Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else ROOT / "build" / "documentation")
    except (DocumentationError, ConvgraphError) as problem:
        print(problem, file=sys.stderr)
        return 1
    if len(sys.argv) == 1:
        shutil.rmtree(ROOT / "build" / "site", ignore_errors=True)
        built = shutil.copytree(built, ROOT / "build" / "site")
    print(built)
    return 0


if __name__ == "__main__":
    sys.exit(main())
