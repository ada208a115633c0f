"""RADIUS, as the access points and routers speak it."""
