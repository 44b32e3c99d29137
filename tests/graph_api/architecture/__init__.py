"""Rules about the code itself: imports, sizes, errors, settings, published text."""
