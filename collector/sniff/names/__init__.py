# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A program of its own that reads names of hosts off a wire: DNS answers, TLS and QUIC hellos.

It runs only where the settings give a written reason. Of what passes it keeps the name, the
addresses and ports, and how long an answer holds; everything else is forgotten with the packet.
"""
