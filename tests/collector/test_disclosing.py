"""The sealing process asked over its socket: packing, one at a time, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector import control
from collector.control import ControlServer
from collector.disclosing import Disclosing, bundle_path, stored_order
from collector.errors import CollectorError
from tests.collector.seal.bundle import packing


class Worker:
    """Nobody writes a ledger here."""

    def aside(self, act: Any) -> None:
        raise AssertionError(act)


def test_an_order_goes_over_the_socket_and_comes_back_as_a_bundle(tmp_path: Path) -> None:
    school = packing.school(tmp_path)
    disclosing = Disclosing(school.home, clock=lambda: school.now_us * 1000)
    order = packing.order(school, levels={"demo": "C0"}, window=(0, school.now_us))
    other = packing.order(school)
    with ControlServer(tmp_path / "s.sock", disclosing.handlers(Worker())):  # type: ignore[arg-type]  # asked nothing

        def ask(what: str, **more: Any) -> dict[str, Any]:
            return control.ask(tmp_path / "s.sock", {"do": what, **more})

        told = ask("prove", order=order.model_dump())
        assert told == ask("prove", order=order.model_dump())
        assert bundle_path(school.home, order.case).stat().st_size == told["size"]
        assert stored_order(school.home, order.case) == order
        assert ask("case-progress", case=order.case) == {"done": 0, "of": 0}
        with pytest.raises(CollectorError, match="was defined otherwise"):
            ask("prove", order=other.model_dump())
        for odd in ("../x", "..", ""):
            with pytest.raises(CollectorError, match="order of the case: case"):
                ask("prove", order={**order.model_dump(), "case": odd})
            with pytest.raises(CollectorError, match="no number of a case"):
                ask("export", case=odd)
        with pytest.raises(CollectorError, match="no case 9 was packed"):
            ask("export", case="9")
        with pytest.raises(CollectorError, match="no segment that the case"):
            ask("case-key", case=order.case, segment="school/demo/99")
