"""Templates of the paths that were asked for."""

from __future__ import annotations

import pytest

from projections.templates import Matcher, infer_templates

UUID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"


@pytest.mark.parametrize(
    ("paths", "templates"),
    [
        (["/"], ["/"]),
        (["/users/1", "/users/2", "/users/me?x=1"], ["/users/me", "/users/{user_id}"]),
        (["/users/1/orders/7", "/users/2/orders/8/"], ["/users/{user_id}/orders/{order_id}",
                                                       "/users/{user_id}/orders/{order_id}/"]),
        ([f"/files/{UUID}", "/files/index.html"], ["/files/index.html", "/files/{file_id}"]),
        (["/days/2024-02-29", "/days/2024-02-29T10:00:00Z"], ["/days/{day_id}"]),
        (["/u/ada@example.org", "/blobs/deadbeef01", "/t/AbCdEf0123456789xyz"],
         ["/blobs/{blob_id}", "/t/{t_id}", "/u/{u_id}"]),
        (["/categories/1", "/bus/1", "/5/6"], ["/bus/{bus_id}", "/categories/{category_id}", "/{id}/{id}"]),
        (["/v1/users", "/v2/users", "/abc/feedbeef"], ["/abc/feedbeef", "/v1/users", "/v2/users"]),
        ([], []),
    ],
)  # fmt: skip
def test_what_looks_like_a_value_is_a_place(paths: list[str], templates: list[str]) -> None:
    """Numbers, names of machines, days, addresses; what does not stays."""
    assert infer_templates(paths) == templates


def test_very_many_texts_at_one_place_are_values() -> None:
    """Eleven are names; those beside them that lead on otherwise stay."""
    users = [f"/users/{name * 2}/posts" for name in "abcdefghijkl"]
    assert infer_templates(users[:11]) == users[:11]
    assert infer_templates([*users, "/users/search"]) == ["/users/search", "/users/{user_id}/posts"]


def test_values_are_named_after_what_has_them() -> None:
    """A template is found again by its own paths."""
    templates = infer_templates(["/users/1", "/users/2", "/users/me"])
    matcher = Matcher(templates)
    assert [matcher.match(path) for path in ("/users/3", "/users/me?a=b", "/orders")] == [
        "/users/{user_id}", "/users/me", None,
    ]  # fmt: skip


def test_the_most_particular_template_is_found() -> None:
    """Fixed texts first, what takes all that follows last, and only with the same slash."""
    matcher = Matcher(["/{a}/{b}", "/a/{b}", "/a/{b}.json", "/{rest:path}", "/x/"])
    assert [matcher.match(path) for path in ("/a/1.json", "/a/1", "/b/1", "/a/b/c", "/x/", "/x")] == [
        "/a/{b}.json", "/a/{b}", "/{a}/{b}", "/{rest:path}", "/x/", "/{rest:path}",
    ]  # fmt: skip
