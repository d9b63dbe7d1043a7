"""Paths with places: what they take, and where two of them want the same request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.paths import Route, conflicts, covers, pattern, takes, witness

TAKEN = [
    ("/", "/", True),
    ("/a", "/a?x=1", True),
    ("/a", "/a/", False),
    ("/a/", "/a/", True),
    ("/a/{id}", "/a/7", True),
    ("/a/{id}", "/a/", False),
    ("/a/{id}", "/a/7/b", False),
    ("/a/{id}.json", "/a/7.json", True),
    ("/a/{id}.json", "/a/.json", False),
    ("/a/v{major}.{minor}", "/a/v1.2", True),
    ("/files/{path:path}", "/files/a/b", True),
    ("/files/{path*}", "/files", True),
    ("/files/{+path}", "/other/a", False),
    ("/*", "/anything/at/all", True),
]


@pytest.mark.parametrize(("path", "asked", "expected"), TAKEN)
def test_what_a_path_takes(path: str, asked: str, expected: bool) -> None:
    """Fixed texts, places, places within a segment, and what takes all that follows."""
    assert takes(pattern(path), asked) is expected


PAIRS = [
    ("/users/{id}", "/users/{name}", "duplicate", "/users/x"),
    ("/users/{id}", "/users/me", "shadow", "/users/me"),
    ("/{a}/users", "/all/{b}", "ambiguous", "/all/users"),
    ("/users", "/users/", "trailing slash", "/users"),
    ("/users/{id}/", "/users/{name}", "trailing slash", "/users/x/"),
    ("/files/{path:path}", "/files/a/b", "prefix", "/files/a/b"),
    ("/*", "/a/", "prefix", "/a/"),
    ("/{a*}", "/{b:path}", "duplicate", "/"),
    ("/a/{b*}", "/{c}/d", "ambiguous", "/a/d"),
    ("/a/{b*}", "/{c:path}", "prefix", "/a"),
    ("/{id}.json", "/{name}", "shadow", "/x.json"),
    ("/{id}.json", "/report.json", "shadow", "/report.json"),
    ("/v{n}", "/{n}.x", "ambiguous", "/vx.x"),
    ("/v{n}/*", "/{n}/a{b}", "ambiguous", "/vx/ax"),
    ("/a", "/b", None, None),
    ("/a/{id}", "/a", None, None),
    ("/a{b}", "/c{d}", None, None),
    ("/{a}.x", "/{b}.y", None, None),
    ("/{id}.json", "/report.xml", None, None),
    ("/a/b/", "/{x}", None, None),
    ("/a/*", "/b/c", None, None),
    ("/x/", "/{y}/z", None, None),
    ("/users/", "/orders", None, None),
]


@pytest.mark.parametrize(("one", "other", "kind", "asked"), PAIRS)
@pytest.mark.parametrize("turned", [False, True])
def test_a_pair(one: str, other: str, kind: str | None, asked: str | None, turned: bool) -> None:
    """The kind of conflict and a path that both take, whichever comes first."""
    paths = (other, one) if turned else (one, other)
    found = conflicts([Route("web", "GET", path) for path in paths])
    assert [it.kind for it in found] == ([kind] if kind else [])
    for it in found:
        assert (
            it.witness == asked if it.kind != "trailing slash" else it.witness.rstrip("/") == (asked or "").rstrip("/")
        )
        if it.kind != "trailing slash":
            assert takes(pattern(it.first.path), it.witness)
            assert takes(pattern(it.second.path), it.witness)


def test_a_slash_at_the_end_makes_a_difference() -> None:
    """No request is one for both."""
    assert witness(pattern("/a/"), pattern("/a")) is None


def test_the_more_particular_one_is_the_first() -> None:
    """It is the one that goes before."""
    found = conflicts([Route("web", "GET", "/users/{id}"), Route("web", "GET", "/users/me")])
    assert (found[0].first.path, found[0].second.path) == ("/users/me", "/users/{id}")
    found = conflicts([Route("web", "GET", "/{a}/b"), Route("web", "GET", "/a/{b}")])
    assert (found[0].first.path, found[0].second.path) == ("/a/{b}", "/{a}/b")


def test_methods_and_services() -> None:
    """Other methods do not clash but for one that takes all; the same path of two services does, of one it does not."""
    assert conflicts([Route("web", "GET", "/a"), Route("web", "POST", "/a")]) == []
    assert [it.kind for it in conflicts([Route("web", "GET", "/a"), Route("web", "*", "/a")])] == ["duplicate"]
    assert [it.kind for it in conflicts([Route("web", "GET", "/a"), Route("api", "GET", "/a")])] == ["duplicate"]
    assert conflicts([Route("web", "GET", "/a")] * 2) == []


def test_no_more_than_are_read() -> None:
    """The search ends at a limit."""
    routes = [Route(f"s{number}", "GET", "/a") for number in range(40)]
    assert len(conflicts(routes, 10)) == 10
    assert len(conflicts(routes)) == 40 * 39 / 2


SEGMENTS = st.sampled_from(["a", "b", "{x}", "a{x}", "{x}b", "{x:path}"])
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(part for place, part in enumerate(parts) if ":" not in part or place == len(parts) - 1)
)


@given(PATHS, PATHS)
def test_a_witness_is_one(one: str, other: str) -> None:
    """Whatever is said to be taken by both is, and a path that covers another has a common one with it."""
    first, second = pattern(one), pattern(other)
    found = witness(first, second)
    if found is not None:
        assert takes(first, found)
        assert takes(second, found)
    if covers(first, second):
        assert found is not None


@given(st.lists(PATHS, max_size=8, unique=True))
def test_the_quick_search_finds_what_a_slow_one_does(paths: list[str]) -> None:
    """Every pair with a common path, and no other."""
    routes = [Route("web", "GET", path) for path in paths]
    found = {frozenset([it.first.path, it.second.path]) for it in conflicts(routes) if it.kind != "trailing slash"}
    expected = {
        frozenset([one, other])
        for one in paths for other in paths
        if one != other and witness(pattern(one), pattern(other)) is not None
    }  # fmt: skip
    assert found == expected
