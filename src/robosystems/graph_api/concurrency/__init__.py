"""Engine-free building blocks: background work, and what Linux offers for processes."""
