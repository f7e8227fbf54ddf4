"""`python -m routekey`."""

import sys

from routekey.cli import main

sys.exit(main())
