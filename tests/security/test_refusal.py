"""Words for what TLS says; those that a real handshake brings stand in `test_context`."""

from __future__ import annotations

import ssl

import pytest

from pulseq.security.refusal import say_refusal


def _error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError()
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", "of another site"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "these credentials has expired"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "compare the clocks"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "--credentials FILE"),
        ("WRONG_VERSION_NUMBER", "does not speak TLS"),
        ("RECORD_LAYER_FAILURE", "does not speak TLS"),
    ],
)
def test_each_reason_has_its_words(reason: str, told: str) -> None:
    assert told in say_refusal(_error(reason))


def test_a_reason_that_nobody_has_foreseen_is_told_as_it_is() -> None:
    assert "TLS: NO_SHARED_CIPHER" == say_refusal(_error("NO_SHARED_CIPHER"))
