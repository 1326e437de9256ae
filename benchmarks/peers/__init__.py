"""Other tools on the same work; each has a virtual environment of its own."""
