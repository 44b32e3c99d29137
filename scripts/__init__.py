"""Programs that build, document and check the project."""
