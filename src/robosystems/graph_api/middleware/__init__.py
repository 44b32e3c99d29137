"""What every request passes: identity, admission, limits, accounting. Plain ASGI."""
