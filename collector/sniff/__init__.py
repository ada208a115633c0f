# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A program of its own that watches DHCP, ARP, ND and RA on a wire; nothing else imports it.

It uses scapy, which is under the GPL: it runs in a process of its own, imports nothing of the rest
of the box, and hands records over as JSON on the local socket.
"""
