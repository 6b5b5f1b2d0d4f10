"""One file per output: each turns a finished Trace into something to look at."""
