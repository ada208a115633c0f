"""The one process with rights on the machine: a short list of typed actions on a unix socket.

It alone runs nft, sets addresses and starts dnsmasq. What it is asked for is checked before it
touches anything; every command is a list of words, and no shell is ever between.
"""
