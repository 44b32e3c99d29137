"""What a node remembers beside its graphs: keys, outcomes of requests, administrative acts."""
