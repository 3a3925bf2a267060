"""Where the sign-in library looks for the ways of signing in that this app brings."""

from sapwood.accounts.oidc import SsoProvider
from sapwood.accounts.openedx.sign_in import PlatformProvider

provider_classes = [SsoProvider, PlatformProvider]
