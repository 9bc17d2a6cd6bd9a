"""The comment on a pull request: one for each job and image, and only over what a job wrote."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from gate.ci.comment import PER_PAGE, Discussion, mark, put
from gate.errors import Unavailable

MARK = mark(["registry.example.com/shop/api:1"], {"GITHUB_WORKFLOW": "check", "GITHUB_JOB": "gate"})
LIST = "/repos/acme/shop/issues/7/comments"


def place(server: HTTPServer) -> Discussion:
    """The discussion of pull request 7."""
    return Discussion(server.url_for("/"), "acme/shop", 7, "secret")


def written(number: int, body: str, kind: str = "Bot") -> dict[str, Any]:
    """A comment as the API tells it."""
    return {"id": number, "body": body, "user": {"type": kind, "login": "somebody"}}


def test_the_mark_stays_where_only_the_tag_changes() -> None:
    variables = {"GITHUB_WORKFLOW": "check", "GITHUB_JOB": "gate"}
    assert mark(["registry.example.com/shop/api:2"], variables) == MARK
    assert mark(["registry.example.com/shop/web:1"], variables) != MARK
    assert mark(["registry.example.com/shop/api:1"], {**variables, "GITHUB_JOB": "other"}) != MARK


def test_the_first_run_adds_a_comment(httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request(LIST, method="GET").respond_with_json([written(1, "hello")])
    httpserver.expect_ordered_request(
        LIST, method="POST", json={"body": f"{MARK}\nbad"}, headers={"Authorization": "Bearer secret"}
    ).respond_with_json({}, status=201)
    put("bad", MARK, place(httpserver), anew=True)
    httpserver.check()
    assert len(httpserver.log) == 2


def test_a_later_run_writes_over_it_even_on_the_second_page(httpserver: HTTPServer) -> None:
    others = [written(number, "hello") for number in range(PER_PAGE)]
    httpserver.expect_ordered_request(LIST, query_string=f"per_page={PER_PAGE}&page=1").respond_with_json(
        others
    )
    httpserver.expect_ordered_request(LIST, query_string=f"per_page={PER_PAGE}&page=2").respond_with_json(
        [written(99, f"{MARK}\nbad")]
    )
    httpserver.expect_ordered_request(
        "/repos/acme/shop/issues/comments/99", method="PATCH", json={"body": f"{MARK}\ngood"}
    ).respond_with_json({})
    put("good", MARK, place(httpserver), anew=False)
    httpserver.check()
    assert len(httpserver.log) == 3


def test_what_a_person_wrote_is_never_written_over(httpserver: HTTPServer) -> None:
    httpserver.expect_request(LIST).respond_with_json([written(5, f"{MARK}\nfake", "User")])
    put("good", MARK, place(httpserver), anew=False)
    assert [request.method for request, _ in httpserver.log] == ["GET"]


@pytest.mark.parametrize("status", [301, 403, 404, 500])
def test_any_other_answer_is_told(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request(LIST).respond_with_data("", status=status, headers={"Location": "/elsewhere"})
    with pytest.raises(Unavailable, match=str(status)):
        put("bad", MARK, place(httpserver), anew=True)


@pytest.mark.parametrize("answer", ["<html>", '{"message": "no"}', '[{"id": "1"}]'])
def test_an_answer_of_another_form_is_told(httpserver: HTTPServer, answer: str) -> None:
    httpserver.expect_request(LIST).respond_with_data(answer)
    with pytest.raises(Unavailable, match="cannot be read"):
        put("bad", MARK, place(httpserver), anew=True)


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(Unavailable, match="could not be asked"):
        put("bad", MARK, Discussion("http://127.0.0.1:9", "acme/shop", 7, "secret"), anew=True)
