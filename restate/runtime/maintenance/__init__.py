"""Commands for operators that work beside a server: look at it, and copy its data. Nothing here changes its data."""
