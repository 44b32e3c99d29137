"""HTTP routes: from the wire to the domain, one service method, and back."""
