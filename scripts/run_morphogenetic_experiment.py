"""The documented way to start an experiment: `kaslite run`, with all its flags."""

import sys

from kaslite.cli.main import call

if __name__ == "__main__":
    sys.exit(call(["run", *sys.argv[1:]]))
