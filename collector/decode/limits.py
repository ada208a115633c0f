"""How much memory exporters, known or forged, may claim.

The numbers are far above what real exporters need (tens of templates of tens of fields) and keep
one site's decoder within some tens of MiB whatever comes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one FlowDecoder."""

    fields_per_template: int = 2048
    templates_per_stream: int = 1024
    streams_per_exporter: int = 128
    """Streams are pairs of UDP source port and observation domain."""
    streams: int = 4096
    fields: int = 1 << 18
    """Template fields kept in all; a template takes 32 more."""
    learnt_per_exporter: int = 1 << 15
    """Fields of new templates that one exporter may bring in a minute, 32 more for each: five
    hundred templates of thirty; 2 s of CPU at worst."""
    learnt: int = 1 << 17
    """The same of all exporters together."""
    waiting_sets_per_exporter: int = 8192
    waiting_bytes_per_exporter: int = 8 << 20
    waiting_sets: int = 32768
    waiting_bytes: int = 32 << 20
    waiting_s: int = 1800
    """So long a set waits for its template: Cisco repeats templates every 30 minutes at most."""
    names_per_exporter: int = 16384
    """Application names learnt from options, per exporter."""
    interfaces_per_exporter: int = 4096
    """Names of interfaces learnt from options, per exporter."""
    samplers_per_stream: int = 128
    options: int = 16384
    """Options records that are remembered, to keep repeated ones once."""
    data_sources: int = 16384
    """Of all sFlow agents, whose sample numbers are remembered."""
    counters_every_s: int = 300
    """Of the counter samples of an sFlow data source one in so long is kept; 0: all."""
    sampling: tuple[tuple[str, int], ...] = ()
    """Networks of exporters, and the rate that the settings give these; the longest match wins."""
    skew_s: float = 30.0
    """A clock further off than this is corrected and flagged."""
    cells: int = 6 << 20
    """Records by fields decoded at once: some 8 MiB of datagrams as real exporters send them."""
    event_window_s: int = 60
    """Losses of one kind and exporter within so long share a row, after the first."""
