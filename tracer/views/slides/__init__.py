"""A teaching deck from a recording: one model of slides, one writer per format."""
