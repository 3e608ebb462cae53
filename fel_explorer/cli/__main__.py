"""The command line as `python -m fel_explorer.cli`."""

import sys

from fel_explorer.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
