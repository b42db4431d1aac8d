"""``python -m kaslite`` is ``kaslite``."""

from kaslite.cli.main import main

main()
