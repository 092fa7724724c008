"""`python -m physiolect` is the command `physiolect`."""

import sys

from physiolect.cli import main

sys.exit(main())
