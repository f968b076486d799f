"""Why a command on a session is refused."""

from uuid import UUID

from domain.errors import NotFound, Unauthenticated


class SessionNotFound(NotFound):
    """There is no such session, or it is not yours, or it has ended."""

    slug = "session-not-found"


class SessionEnded(Unauthenticated):
    """The session of this token has ended."""

    slug = "session-ended"


class BadRefreshToken(Unauthenticated):
    """The refresh token is unknown or expired, or its session has ended."""

    slug = "bad-refresh-token"


class RefreshTokenReused(BadRefreshToken):
    """This refresh token was used before: somebody has a copy, so the session is revoked."""

    slug = "refresh-token-reused"
    stands = True

    def __init__(self, session_id: UUID) -> None:
        super().__init__()
        self.session_id = session_id
