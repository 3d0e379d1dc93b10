"""Why two ends of a connection do not trust each other, in words, and what to do."""

from __future__ import annotations

import ssl

_NEW_FILE = "`pulseq certs node NAME` where the site's authority is makes another"
_FOREIGN = (
    "the credentials are of another site: its scheduler and its members need files of the same authority; " + _NEW_FILE
)
#: What OpenSSL says of the other end's certificate (`verify_message`), and what comes of it.
_OF_OTHERS = {
    "expired": "the certificate of what listens there has expired; who keeps it has to renew it",
    "not yet valid": "the certificate of what listens there is not valid yet; compare the clocks of both machines",
}
#: What the other end says of ours (an alert of TLS).
_OF_OURS = {
    "CERTIFICATE_EXPIRED": f"it says that the certificate of these credentials has expired; {_NEW_FILE}",
    "CERTIFICATE_REQUIRED": "it wants to see credentials of its site: --credentials FILE",
    "UNKNOWN_CA": _FOREIGN,
    "DECRYPT_ERROR": _FOREIGN,
    "BAD_CERTIFICATE": "it does not accept the certificate of these credentials; compare the clocks of both machines",
}
#: What comes of speaking TLS to what does not.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF", "HTTP_REQUEST")


def say_refusal(error: ssl.SSLError) -> str:
    """Why a connection was not made, as the end of a sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        message = error.verify_message
        return next((told for sign, told in _OF_OTHERS.items() if sign in message), _FOREIGN)
    reason = error.reason or type(error).__name__
    if any(sign in reason for sign in _NO_TLS):
        return "it does not speak TLS, so it is no scheduler of a site that has credentials"
    return next((told for sign, told in _OF_OURS.items() if sign in reason), f"TLS: {reason}")
