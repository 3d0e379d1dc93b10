"""Who signs: what comes of it is what TLS and people take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509

from pulseq.security.authority import SKEW, Authority, make_credentials
from pulseq.security.credentials import Credentials
from pulseq.security.credentials_file import find_problem, good_until


def _own(credentials: Credentials) -> x509.Certificate:
    return x509.load_pem_x509_certificate(credentials.certificate.encode())


def test_what_it_issues_is_good_now_and_on_a_clock_that_is_behind() -> None:
    now = datetime.now(UTC)

    credentials = make_credentials("a cluster")

    assert find_problem(credentials, now) is None
    assert find_problem(credentials, now - SKEW + timedelta(minutes=1)) is None


def test_it_is_good_for_as_long_as_was_asked() -> None:
    now = datetime(2030, 5, 1, 12, tzinfo=UTC)
    credentials = Authority.make("lab").issue("node", timedelta(days=3), now=now)

    assert now + timedelta(days=3) == good_until(credentials)


def test_nothing_is_good_for_longer_than_its_authority() -> None:
    authority = Authority.make("lab", timedelta(days=2))

    credentials = authority.issue("node", timedelta(days=300))

    assert x509.load_pem_x509_certificate(authority.certificate.encode()).not_valid_after_utc == good_until(credentials)


def test_members_have_keys_of_their_own_and_one_authority() -> None:
    authority = Authority.make("lab")

    one, other = authority.issue("one"), authority.issue("other")

    assert one.key != other.key
    assert {authority.certificate} == {one.authority, other.authority}
    assert "CN=one" == _own(one).subject.rfc4514_string()


def test_a_member_cannot_sign_for_others() -> None:
    constraints = _own(make_credentials("a cluster")).extensions.get_extension_for_class(x509.BasicConstraints)

    assert constraints.critical
    assert not constraints.value.ca


def test_two_authorities_of_one_name_are_told_apart() -> None:
    one, other = (x509.load_pem_x509_certificate(Authority.make("lab").certificate.encode()) for _ in range(2))

    assert one.subject != other.subject
    assert one.subject.rfc4514_string().startswith("CN=lab ")


def test_a_clusters_own_credentials_are_good_where_a_clock_is_far_behind_and_for_years() -> None:
    credentials, now = make_credentials("pulseq cluster"), datetime.now(UTC)

    assert find_problem(credentials, now - timedelta(days=400)) is None
    assert find_problem(credentials, now + timedelta(days=400)) is None
