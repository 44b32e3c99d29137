"""Multi-tenant graph database service."""
