"""Tests that kill, stop, starve and damage a running service, and look at what is left."""
