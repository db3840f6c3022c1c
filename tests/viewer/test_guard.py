"""Who may speak to the server."""

from __future__ import annotations

import pytest

from graf_cli.errors import UsageError
from graf_cli.viewer.films import checked_name
from graf_cli.viewer.guard import Guard, guard
from graf_cli.viewer.session import without_paths

TOKEN = "a-token-of-24-letters_24"


def test_its_own_page_is_meant_and_no_other() -> None:
    ours = guard("127.0.0.1", 80, None)
    assert ours.is_meant({"Host": "localhost"})
    ours = guard("127.0.0.1", 8423, TOKEN)
    for host in ("127.0.0.1:8423", "localhost:8423", "LOCALHOST:8423", "[::1]:8423"):
        assert ours.is_meant({"Host": host})
        assert ours.is_meant({"Host": host, "Origin": f"http://{host.lower()}"})
    for headers in (
        {}, {"Host": "127.0.0.1"}, {"Host": "127.0.0.1:1"}, {"Host": "evil.example:8423"},
        {"Host": "10.0.0.1:8423"}, {"Host": "127.0.0.1:8423", "Origin": "http://evil.example"},
        {"Host": "127.0.0.1:8423", "Origin": "null"},
        {"Host": "127.0.0.1:8423", "Origin": "http://localhost:8423"},
        {"Host": "127.0.0.1:8423", "Origin": "http://127.0.0.1:9999"},
    ):  # fmt: skip
        assert not ours.is_meant(headers), headers


def test_everywhere_is_any_address_in_numbers() -> None:
    ours = guard("0.0.0.0", 8423, TOKEN)
    assert ours.is_meant({"Host": "192.168.1.7:8423", "Origin": "http://192.168.1.7:8423"})
    assert not ours.is_meant({"Host": "rebound.example:8423"})
    assert not ours.is_meant({"Host": "192.168.1.7:8423", "Origin": "http://192.168.1.8:8423"})


def test_tokens_are_drawn_anew_and_told_apart() -> None:
    a, b = guard("127.0.0.1", 1, None), guard("127.0.0.1", 1, None)
    assert a.token != b.token
    assert len(a.token) >= 22
    assert a.knows(a.token)
    assert not a.knows(b.token)
    assert not a.knows("")
    assert not a.knows("ü")


def test_others_reach_it_with_a_token_alone() -> None:
    for host in ("0.0.0.0", "192.168.1.7", "example.org", "::"):
        with pytest.raises(UsageError, match="`token`"):
            guard(host, 1, None)
        assert isinstance(guard(host, 1, TOKEN), Guard)
    for token in ("short", "a/token/with/slashes", "x" * 15, "with spaces in between"):
        with pytest.raises(UsageError, match="`token` takes 16"):
            guard("127.0.0.1", 1, token)


def test_files_are_named_without_folders() -> None:
    for name in ("film.mp4", "a b-c_d.webm", "frames/", "x"):
        assert checked_name(name) == name
    for name in ("", "/etc/x.mp4", "../x.mp4", "a/b.mp4", ".hidden.mp4", "a\\b.mp4", "a..mp4",
                 "C:x.mp4", "x" * 102, "a\n.mp4", "a//"):  # fmt: skip
        with pytest.raises(UsageError, match="without folders"):
            checked_name(name)


def test_no_sentence_names_a_folder_of_this_machine() -> None:
    told = (
        "/home/someone/graf/film.mp4 cannot be written, C:\\Users\\me\\a.pt neither: see `/tmp/x`."
    )
    assert without_paths(told) == "film.mp4 cannot be written, a.pt neither: see `x`."
    refused = "http://models.example/a/b.pt answered 404, file:///a/b.pt is not there"
    shown = "http://models.example/a/b.pt answered 404, file://b.pt is not there"
    assert without_paths(refused) == shown
    assert without_paths("fog and/or rain, 1/255") == "fog and/or rain, 1/255"
