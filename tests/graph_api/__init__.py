"""Tests of the graph API, one folder for each tier."""
