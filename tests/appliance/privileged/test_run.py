"""Commands are lists of words; what goes wrong is one line."""

from __future__ import annotations

import pytest

from appliance.privileged.run import Failed, run


def test_what_is_printed_comes_back_and_no_shell_reads_the_words() -> None:
    assert run(["echo", "$HOME; echo x"]) == "$HOME; echo x\n"
    assert run(["cat"], stdin="word") == "word"


def test_a_command_that_fails_is_told_in_one_line() -> None:
    with pytest.raises(Failed, match="sh ended with 3: a b") as caught:
        run(["sh", "-c", "echo a >&2; echo b >&2; exit 3"])
    assert "\n" not in str(caught.value)
    with pytest.raises(Failed, match="cannot run no-such-program"):
        run(["no-such-program"])
