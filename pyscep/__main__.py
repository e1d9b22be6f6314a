"""``python -m pyscep`` is the command ``pyscep``."""

from __future__ import annotations

import sys

from pyscep.cli import main

if __name__ == "__main__":
    sys.exit(main())
