"""What the kernel and dnsmasq are told where the box is the router of its zones.

Pure, but for `client`: it makes texts and orders; the process `privileged` alone gives them to the
kernel, and the portal asks that process through `client`.
"""
