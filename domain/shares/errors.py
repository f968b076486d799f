"""Why a share is refused, or leads nowhere."""

from domain.errors import Gone, NotFound, Unauthenticated


class ShareNotFound(NotFound):
    """There is no such share, or it was revoked."""

    slug = "share-not-found"


class ShareExpired(Gone):
    """The share has expired."""

    slug = "share-expired"


class ShareUsedUp(Gone):
    """The share has been downloaded as often as it may be."""

    slug = "share-used-up"


class SharePasswordError(Unauthenticated):
    """The share has a password, and this is not it."""

    challenge = 'SharePassword realm="waybill share", header="X-Share-Password"'
    """No scheme that a browser knows: it would ask for a name as well, in a window of its own."""


class SharePasswordMissing(SharePasswordError):
    """The share has a password: send it as X-Share-Password."""

    slug = "share-password-missing"


class SharePasswordWrong(SharePasswordError):
    """The password of the share is wrong."""

    slug = "share-password-wrong"
