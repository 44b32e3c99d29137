"""Graph database engines behind one port."""
