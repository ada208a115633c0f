"""The account of what is missing: the journal of datagrams becomes coverage events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from collector.decode.journal import Counters, Entry, Numbered, Steady, Told
from collector.decode.losses import Loss, Losses
from collector.decode.sequence import Kind, Step
from collector.decode.sflow import datagram as sflow

_KINDS = {
    Kind.GAP: "sequence-gap",
    Kind.LATE: "sequence-late",
    Kind.RESTART: "exporter-restart",
    Kind.FROZEN: "sequence-frozen",
}
_NOTES = {
    Kind.RESTART: "the sequence begins anew: what was lost in between cannot be told",
    Kind.FROZEN: "the exporter does not count: losses cannot be seen",
}


def settle(
    journal: Sequence[Entry | Steady], told: Told, losses: Losses, counters: Counters
) -> None:
    """Tell the losses of each datagram in turn.

    Args:
        journal: One entry for each datagram, in order.
        told: What had to be decoded to be known.
        losses: Where they are told.
        counters: Whose lost records are added to.
    """
    for entry in journal:
        if isinstance(entry, Steady):
            _settle_run(entry, told, losses, counters)
            continue
        losses.tick(entry.frame, entry.now_us)
        for loss in entry.losses:
            losses.add(loss, entry.frame, entry.now_us)
        if entry.numbered is None:
            continue
        step = _step(entry.numbered, told.counts)
        if step.kind > Kind.NEXT:
            by_samples = entry.numbered.stream.key.version == sflow.VERSION
            if step.kind is Kind.GAP and not by_samples:
                counters.lost_records += step.records
            loss = _loss(entry.numbered, step)
            losses.add(_datagrams(loss, step) if by_samples else loss, entry.frame, entry.now_us)
        for loss in told.losses.get(entry.frame, ()):
            losses.add(loss, entry.frame, entry.now_us)


def _settle_run(entry: Steady, told: Told, losses: Losses, counters: Counters) -> None:
    """Account for a run: at once if none of it is missing, else one datagram after the other."""
    run, stream = entry.run, entry.stream
    run = run._replace(records=told.runs.get(entry.rank, run.records))
    whole = not told.losses or told.losses.keys().isdisjoint(run.frame.tolist())
    if whole and stream.sequence.steady(run.sequence, run.records):
        losses.tick_all(run.frame, run.received)
        return
    before_us = entry.before_us
    columns = (run.frame, run.received, run.wire, run.sequence, run.records)
    for frame, received, wire, number, records in zip(
        *map(np.ndarray.tolist, columns), strict=True
    ):
        numbered = Numbered(stream, number, records, (), False, entry.source, before_us, wire)
        settle([Entry(frame, received, numbered=numbered)], told, losses, counters)
        before_us = wire


def _step(numbered: Numbered, counts: Mapping[int, int]) -> Step:
    records = numbered.records
    if records >= 0:
        records += sum(counts[rank] for rank in numbered.chunks)
    return numbered.stream.sequence.step(numbered.number, records, restarted=numbered.restarted)


def _datagrams(loss: Loss, step: Step) -> Loss:
    """Return the loss of sFlow datagrams: their samples are counted by numbers of their own."""
    note = "" if step.kind is Kind.GAP else loss.note
    lost = step.lost if step.kind is Kind.GAP else None
    return loss._replace(unit="datagrams", lost=lost, note=note)


def _loss(numbered: Numbered, step: Step) -> Loss:
    lost, note = None, _NOTES.get(step.kind, "")
    if step.kind is Kind.GAP:
        lost = step.records
        if step.in_datagrams:
            note = f"{step.lost} datagrams; records estimated by the mean of a datagram"
    elif step.kind is Kind.LATE:
        note = f"about {step.records} records that were counted as lost came late"
    span = numbered.before_us, numbered.wire_us
    return Loss(_KINDS[step.kind], numbered.source, "records", lost, *span, note)
