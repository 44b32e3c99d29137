"""Plain values, errors and rules of the service. Standard library only."""
