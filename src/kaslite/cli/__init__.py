"""The command line: parse -> config -> one call. No logic lives here."""
