import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.runtime.http_redirects import Asked, NotFollowed, follow, hide_password, with_credentials

SECRETS = {"authorization": "Bearer abc", "Cookie": "a=b", "PRIVATE-TOKEN": "abc", "Host": "shop", "X-Any": "thing"}
NEAR = "http://shop.example/a"
HOSTS = st.sampled_from(["shop.example", "SHOP.example", "shop.example.evil", "evil.example", "127.0.0.1", "[::1]"])
PORTS = st.sampled_from(["", ":80", ":443", ":8080"])
ORIGINS = st.builds("{}://{}{}".format, st.sampled_from(["http", "https"]), HOSTS, PORTS)


@given(ORIGINS)
def test_secrets_go_to_the_host_that_was_named_and_no_other(origin):
    following = follow(Asked(NEAR, "GET", {**SECRETS, "User-Agent": "pulseq"}), 302, f"{origin}/b")
    near = origin.lower() in {
        *("http://shop.example", "http://shop.example:80"),
        *("https://shop.example", "https://shop.example:443"),  # the same host, asked in secret
    }
    assert following.headers.keys() == {"User-Agent", *(SECRETS if near else ())}


@given(st.sampled_from(["/b", "b", "?b", "//shop.example/b", "../b", "http:b", "#b", " /b "]))
def test_a_place_of_the_same_host_keeps_them(place):
    assert follow(Asked(NEAR, "GET", SECRETS), 303, place).headers == SECRETS


@given(st.text(min_size=1))
def test_whatever_a_server_says_is_followed_or_refused(location):
    with contextlib.suppress(NotFollowed):
        following = follow(Asked(NEAR, "GET", {}), 302, location)
        assert following.url.startswith(("http://", "https://"))
        assert following.url.isascii()


def test_what_is_encrypted_goes_no_other_way():
    assert follow(Asked("https://shop.example/", "GET", SECRETS), 302, "http://shop.example/").headers == {}


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("GET", 307, "GET"),
        ("HEAD", 301, "HEAD"),
        ("POST", 303, "GET"),
        ("POST", 307, None),
        ("PUT", 302, None),
        ("GET", 304, None),
        ("GET", 201, None),
    ],
)
def test_a_body_is_never_sent_twice(method, status, then):
    following = follow(Asked(NEAR, method, {"Content-Type": "text/plain"}, b"body"), status, "/b")
    assert (following and (following.method, following.data, following.headers)) == (then and (then, None, {}))


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("http://me:secret@shop.example/", "Basic bWU6c2VjcmV0"),
        ("http://m%40e:s%3Ae@shop.example/", "Basic bUBlOnM6ZQ=="),
        ("http://me@shop.example/", "Basic bWU6"),
    ],
)
def test_user_and_password_of_a_url_become_a_header(url, header):
    asked = with_credentials(Asked(url, "GET", {}))
    assert (asked.url, asked.headers) == ("http://shop.example/", {"Authorization": header})


def test_an_authorization_of_its_own_counts_more_than_the_url():
    asked = with_credentials(Asked("http://me:secret@shop.example/", "GET", {"authorization": "Bearer abc"}))
    assert asked.headers == {"authorization": "Bearer abc"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:secret@host:80/a", "http://me:***@host:80/a"),
        ("http://me:a@b@host/", "http://me:***@host/"),
        ("http://host:80/a:b@c", "http://host:80/a:b@c"),
        ("http://host?a:b@c", "http://host?a:b@c"),
        ("http://me@host/", "http://me@host/"),
    ],
)
def test_a_password_is_not_shown(url, shown):
    assert hide_password(url) == shown
