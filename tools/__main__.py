"""`python -m tools`: see cli.py."""

import sys

from tools.cli import main

sys.exit(main())
