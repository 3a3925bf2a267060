"""What can go wrong on the channel; `client/` explains each failure of verification in these words."""

from typing import ClassVar

from sapwood.formats.errors import SapwoodError


class ChannelError(SapwoodError):
    """The channel cannot do what was asked."""

    code: ClassVar[str] = "channel.failed"


# --- the publisher's side -----------------------------------------------------------------------------------------


class NotARepositoryError(ChannelError):
    """The folder holds no channel repository, or already holds one."""

    code = "channel.not_a_repository"


class DamagedRepositoryError(ChannelError):
    """A file of the repository is missing, or is not what its metadata say."""

    code = "channel.damaged_repository"


class RepositoryBusyError(ChannelError):
    """Another command is writing to this repository."""

    code = "channel.repository_busy"
    http_status = 409


class UnknownRoleError(ChannelError):
    """The repository has no channel or role of this name."""

    code = "channel.unknown_role"
    exit_code = 2
    http_status = 404


class StagingError(ChannelError):
    """A document cannot be put up for signature."""

    code = "channel.cannot_stage"


class BelowThresholdError(ChannelError):
    """Staged metadata have fewer good signatures than their role demands."""

    code = "channel.below_threshold"
    http_status = 409


class KeyFileError(ChannelError):
    """A key or passphrase file is missing, broken, or readable by others."""

    code = "channel.key_file"


class NotAuthorisedError(ChannelError):
    """None of the given keys may sign what is staged."""

    code = "channel.key_not_authorised"
    http_status = 403


# --- the site's side ----------------------------------------------------------------------------------------------


class SubscriptionError(ChannelError):
    """A subscription cannot be made or changed as asked."""

    code = "channel.subscription"


class PullBusyError(ChannelError):
    """Another process is pulling this subscription."""

    code = "channel.pull_busy"
    http_status = 409


class UnreachableError(ChannelError):
    """The commons, or the mirror asked, gives no usable answer."""

    code = "channel.unreachable"
    http_status = 502


class WebPageInsteadError(UnreachableError):
    """A web page came where signed metadata were expected, as from a captive portal or a soft 404."""

    code = "channel.captive_portal"


class NoSuchChannelError(UnreachableError):
    """The publisher has no channel of this name."""

    code = "channel.no_such_channel"
    http_status = 404


class VerificationError(ChannelError):
    """What the commons or a mirror offers does not verify; nothing of it was taken."""

    code = "channel.rejected"
    exit_code = 3


class SignatureError(VerificationError):
    """Metadata are not signed by enough of the keys that this role trusts."""

    code = "channel.signature"


class RollbackError(VerificationError):
    """What is offered is older than what this site has already verified."""

    code = "channel.rollback"


class TamperedError(VerificationError):
    """A file differs from what the signed metadata say about it."""

    code = "channel.tampered"


class WrongPlaceError(VerificationError):
    """A publication says that it is another one, or belongs to another channel, than the place where it was listed."""

    code = "channel.wrong_place"


class RevisionChangedError(VerificationError):
    """A publisher gave other content to a revision that was already published."""

    code = "channel.revision_changed"


class FingerprintError(VerificationError):
    """The root metadata that the commons serves are not the ones that the administrator named."""

    code = "channel.fingerprint"


class StaleError(ChannelError):
    """The signed metadata have expired, so nothing says whether they are still the newest."""

    code = "channel.stale"
    exit_code = 3


class ClockError(ChannelError):
    """This machine's clock is before an instant at which verified data were published."""

    code = "channel.clock"


class BundleError(ChannelError):
    """The air-gap bundle cannot be read."""

    code = "channel.bundle"
