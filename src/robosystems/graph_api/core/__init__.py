"""Services: what the API does, in terms of ports and domain values only."""
