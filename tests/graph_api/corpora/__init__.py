"""Texts that several tiers of the tests share."""
