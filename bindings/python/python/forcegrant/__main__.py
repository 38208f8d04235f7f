"""The command `forcegrant`, also as `python -m forcegrant`."""

import signal
import sys

from forcegrant._native import cli


def main() -> int:
    """Run the command line; return the exit code: 0 fine, 1 refused or failed, 2 wrong usage."""
    # The command waits in native code. Ctrl-C ends it as it ends any program.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return cli(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
