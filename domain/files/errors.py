"""Why a command on a file is refused."""

from domain.errors import Conflict, Gone, NotFound, Stale


class FileNotFound(NotFound):
    """There is no such file, or it is not yours."""

    slug = "file-not-found"


class FileNotReady(Conflict):
    """The file has no verified bytes: see its status."""

    slug = "file-not-ready"


class UploadNotPending(Conflict):
    """The upload has ended already: see the file's status."""

    slug = "upload-not-pending"


class UploadExpired(Gone):
    """The upload was not completed in time: promise the file again."""

    slug = "upload-expired"


class FileChanged(Stale):
    """The file has changed since you read it: If-Match names another version."""

    slug = "stale"


class FileGone(Gone):
    """The file has expired or was deleted."""

    slug = "file-gone"
