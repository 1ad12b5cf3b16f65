"""`python -m lab.images`: see cli.py."""

import sys

from lab.images.cli import main

sys.exit(main())
