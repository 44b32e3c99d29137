"""Whole graphs as archives: reading one out of an open database, and building a database from one."""
