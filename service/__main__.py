"""`python -m service`, installed as `requirements-service`."""

import sys

from service.cli import main

if __name__ == "__main__":
    sys.exit(main())
