"""What is written of a survey: a page, tables as Markdown and CSV, figures."""
