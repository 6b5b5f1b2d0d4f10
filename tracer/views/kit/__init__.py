"""What all views share: texts, numbers, shapes, colours, fonts."""
