"""Sign-in for gateways of other makers, which send their devices to our page.

Everything in the address of such a visit comes from the device and may be made up. It is a hint
until the gateway itself says it: by a RADIUS packet with its secret, by its controller's API, or by
a call from its address. Forms and links lead only to what stands in the settings.
"""
