"""Why a command on an account is refused."""

from domain.errors import Conflict, Invalid, Unauthenticated


class EmailTaken(Conflict):
    """There is an account with this address already."""

    slug = "email-taken"


class WrongCredentials(Unauthenticated):
    """The address or the password is wrong."""

    slug = "wrong-credentials"


class AccountClosed(Unauthenticated):
    """This account is closed."""

    slug = "account-closed"


class BadOneTimeToken(Invalid):
    """The token is unknown, expired, or was used before."""

    slug = "bad-one-time-token"
