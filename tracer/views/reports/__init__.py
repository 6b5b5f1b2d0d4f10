"""Reports: tables of plain values, with a writer per format."""
