"""Sign-in settings of Django and allauth, which `config/settings.py` takes over whole; our own are typed here."""

from typing import Any

from sapwood.core import settings as typed

OIDC_ISSUER = typed.text("SAPWOOD_OIDC_ISSUER", "", "Address of the OpenID Connect provider; empty: none.")
OIDC_NAME = typed.text("SAPWOOD_OIDC_NAME", "Single sign-on", "What the button of that provider says.")
OIDC_CLIENT_ID = typed.text("SAPWOOD_OIDC_CLIENT_ID", "", "Our client id at that provider.")
OIDC_CLIENT_SECRET = typed.text("SAPWOOD_OIDC_CLIENT_SECRET", "", "Our client secret at that provider.", secret=True)
OIDC_SCOPES = typed.words("SAPWOOD_OIDC_SCOPES", ("openid", "profile", "email"), "What we ask that provider for.")
OIDC_TRUST_EMAIL = typed.boolean(
    "SAPWOOD_OIDC_TRUST_EMAIL",
    False,
    "The provider verifies addresses, so whoever it says owns an address may use the account with that address.",
)
PLATFORM_URL = typed.text(
    "SAPWOOD_PLATFORM_URL", "", "Address of the platform's LMS, by whose OAuth people sign in; empty: they do not."
)
PLATFORM_NAME = typed.text("SAPWOOD_PLATFORM_NAME", "Open edX", "What the button of the platform says.")
PLATFORM_CLIENT_ID = typed.text("SAPWOOD_PLATFORM_CLIENT_ID", "", "Our client id at the platform.")
PLATFORM_CLIENT_SECRET = typed.text(
    "SAPWOOD_PLATFORM_CLIENT_SECRET", "", "Our client secret at the platform.", secret=True
)
PLATFORM_TRUST_EMAIL = typed.boolean(
    "SAPWOOD_PLATFORM_TRUST_EMAIL",
    False,
    "The platform makes people confirm their addresses, so whoever owns one there may use the account with it here.",
)

_BASE_URL = typed.BASE_URL.get()
_SECURE = _BASE_URL.startswith("https://")

# Counts of failed sign-ins must survive a restart and be seen by every process. A small table would let an
# attacker push the counts out by filling it.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "accounts_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

ACCOUNT_ADAPTER = "sapwood.accounts.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if _SECURE else "http"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/300s/key",
    "reset_password": "10/m/ip,3/m/key",
    "reset_password_from_key": "20/m/ip",
    "reauthenticate": "5/m/user",
    "change_password": "5/m/user",
    "manage_email": "10/m/user",
    "confirm_email": "1/180s/key",
    "signup": "20/m/ip",
    "failure_noted": "10/m/ip",  # how many failed sign-ins a minute one address can write into the audit log
}
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if typed.TRUST_PROXY.get() else 0

MFA_ADAPTER = "sapwood.accounts.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = False
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _SECURE
MFA_TOTP_TOLERANCE = 0  # a used code is remembered for one period, so a longer life would let it be used twice
MFA_RECOVERY_CODES_SHOW_ONCE = False
MFA_ALLOW_UNVERIFIED_EMAIL = False
MFA_FORMS = {
    "add_webauthn": "sapwood.accounts.forms.AddPasskeyForm",
    "edit_webauthn": "sapwood.accounts.forms.RenamePasskeyForm",
    "authenticate": "sapwood.accounts.factor_forms.CodeForm",
    "reauthenticate": "sapwood.accounts.factor_forms.CodeAgainForm",
    "authenticate_webauthn": "sapwood.accounts.factor_forms.PasskeyForm",
    "reauthenticate_webauthn": "sapwood.accounts.factor_forms.PasskeyAgainForm",
    "login_webauthn": "sapwood.accounts.factor_forms.PasskeyAloneForm",
}

SOCIALACCOUNT_ADAPTER = "sapwood.accounts.adapters.ProviderAdapter"
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_AUTO_SIGNUP = True
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # each provider has its own setting
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_STORE_TOKENS = False


def providers() -> dict[str, Any]:
    """The ways of signing in that the operator set up."""
    found: dict[str, Any] = {}
    if OIDC_ISSUER.get():
        app = {
            "provider_id": "sso",
            "name": OIDC_NAME.get(),
            "client_id": OIDC_CLIENT_ID.get(),
            "secret": OIDC_CLIENT_SECRET.get(),
            "settings": {
                "server_url": OIDC_ISSUER.get(),
                "oauth_pkce_enabled": True,
                "scope": list(OIDC_SCOPES.get()),
                "email_authentication": OIDC_TRUST_EMAIL.get(),
            },
        }
        found["openid_connect"] = {"APPS": [app]}
    if PLATFORM_URL.get():
        app = {
            "provider_id": "platform",
            "name": PLATFORM_NAME.get(),
            "client_id": PLATFORM_CLIENT_ID.get(),
            "secret": PLATFORM_CLIENT_SECRET.get(),
            "settings": {"server_url": PLATFORM_URL.get(), "email_authentication": PLATFORM_TRUST_EMAIL.get()},
        }
        found["platform"] = {"APPS": [app]}
    return found


SOCIALACCOUNT_PROVIDERS = providers()

# `from … import *` would hand over the typed settings and this module's helpers as well.
__all__ = [name for name in dir() if name.startswith(("ACCOUNT_", "ALLAUTH_", "CACHES", "MFA_", "SOCIALACCOUNT_"))]
