"""Runs in a browser: the story of a run, and the pages that show it, live from a server or as one file."""
