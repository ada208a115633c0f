"""`prathu who`: the question officials ask."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from appliance.cli.context import Context, unix_actor
from appliance.cli.search import open_engine
from appliance.search import export, times, who, who_text
from appliance.search.engine_local import Asker
from appliance.search.printable import json_line, printable
from appliance.search.who_answer import Block, Reading, WhoAnswer

FLOW = [
    *("time", "time_end", "source", "protocol", "src_ip", "src_port", "dst_ip", "dst_port"),
    *("nat_src_ip", "nat_src_port", "bytes"),
]
"""What is shown of a flow."""
READ_AS = {
    "+07:00": "เวลาไทย / read as +07:00",
    "UTC": "เวลา UTC / read as UTC",
    "now": "ขณะนี้ / now",
    "as given": "ตามที่ระบุ / as given",
}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("who")(ask)


def ask(  # noqa: PLR0913  # the options of interfaces
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(help="ADDRESS, ADDRESS:PORT or [IPV6]:PORT.")],
    at: Annotated[str, typer.Option(help="When; without offset both +07:00 and UTC.")] = "",
    dst: Annotated[str, typer.Option(help="The other end: ADDRESS or ADDRESS:PORT.")] = "",
    within: Annotated[str, typer.Option(help="How far clocks may differ.")] = "5m",
    site: Annotated[str, typer.Option(help="The site whose address it is.")] = "",
    proto: Annotated[str, typer.Option(help="tcp, udp, icmp or a number.")] = "",
) -> None:
    """Say who was behind an address at a time, and what says so."""
    context: Context = ctx.obj
    with open_engine(context) as engine:
        question = who.parse(
            address,
            at=at,
            dst=dst,
            within=within,
            site=site,
            proto=proto,
            now_us=engine.now_us,
        )
        answer = who.who(engine, question, Asker(actor=unix_actor()))
    if context.as_json:
        print(json_line(record(answer)))
        return
    for reading in answer.readings:
        print("\n".join(printable(line) for line in lines(reading)))


def record(answer: WhoAnswer) -> dict[str, Any]:
    """Return an answer as JSON values; times in RFC 3339."""
    return {
        "address": answer.address,
        "port": answer.port,
        "verdict": answer.verdict,
        "readings": [_reading(reading) for reading in answer.readings],
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "at": times.rfc3339(reading.at_us),
        "read_as": reading.zone,
        "within_s": reading.within_us // times.SECOND,
        "verdict": reading.verdict,
        "certainty": reading.certainty,
        "thai": reading.thai,
        "english": reading.english,
        "size": len(reading.persons),
        "persons": [asdict(suspect) for suspect in reading.persons],
        "others": [asdict(suspect) for suspect in reading.others],
        "sessions": [_plain_times(asdict(held)) for held in reading.sessions],
        "port_blocks": [_lent(block) for block in reading.blocks],
        "flows": [_plain(row) for row in reading.flows],
        "coverage": [_plain(row) for row in reading.coverage],
        "notes": [{"word": note, "text": who_text.NOTES[note]} for note in reading.notes],
    }


def _lent(block: Block) -> dict[str, Any]:
    told = asdict(block)
    since = times.rfc3339(told.pop("since_us"))
    return {**told, "since": since}


def _plain(row: Any) -> dict[str, Any]:  # noqa: ANN401  # a row of any log
    return {name: export.plain(value) for name, value in row.items() if value is not None}


def _plain_times(held: dict[str, Any]) -> dict[str, Any]:
    start, end = held.pop("start_us"), held.pop("end_us")
    told = {"start": times.rfc3339(start), "end": None if end is None else times.rfc3339(end)}
    return {**held, **told}


def lines(reading: Reading) -> list[str]:
    """Return a reading as people read it: the verdict, then what says so."""
    told = [f"[{READ_AS.get(reading.zone, reading.zone)}]", reading.thai, reading.english]
    told += [f"  {_person(s)}" for s in reading.persons if len(reading.persons) > 1]
    if reading.others:
        told.append("ในช่วงใกล้เคียง / within the window also:")
        told += [f"  {_person(suspect)}" for suspect in reading.others]
    if reading.sessions:
        told.append("เซสชัน / sessions:")
        told += [f"  {_session(_plain_times(asdict(held)))}" for held in reading.sessions]
    if reading.blocks:
        told.append("ช่วงพอร์ตที่ให้ยืม / port blocks:")
        told += [f"  {_block(block)}" for block in reading.blocks]
    if reading.flows:
        told.append("โฟลว์ / flows:")
        told += [f"  {_some(_plain(row), FLOW)}" for row in reading.flows]
    if reading.coverage:
        told.append("ช่วงที่บันทึกไม่ครบ / coverage:")
        told += [f"  {_some(_plain(row), list(_plain(row)))}" for row in reading.coverage[:10]]
    told += [f"! {' / '.join(who_text.NOTES[note])}" for note in reading.notes]
    return [*told, ""]


def _person(suspect: Any) -> str:  # noqa: ANN401  # a Suspect
    why = ", ".join(suspect.because)
    late = ", learnt after sealing" if suspect.late else ""
    return f"{who_text.called(suspect)} @{suspect.site}: {why}, {suspect.flows} flows{late}"


def _block(block: Block) -> str:
    ports = f"{block.port_first}-{block.port_last}"
    return f"{times.rfc3339(block.since_us)} … {block.ip} @{block.site} {ports}"


def _session(held: dict[str, Any]) -> str:
    name = held["full_name"] or held["account"] or held["person"]
    late = " learnt after sealing" if held["late"] else ""
    known = _some(held, ["method", "mac", "nas", "nas_port", "ssid", "proofing", "session"])
    return f"{held['start']} … {held['end'] or ''} {name} @{held['site']} {known}{late}"


def _some(row: dict[str, Any], names: list[str]) -> str:
    return " ".join(f"{name}={row[name]}" for name in names if row.get(name) not in (None, ""))
