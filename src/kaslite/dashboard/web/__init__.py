"""Pages in a browser: the files that they are made of, and where plotly's own one lies."""
