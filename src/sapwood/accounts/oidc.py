"""OpenID Connect, held a little closer to the standard than the library does."""

from typing import Any

from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2Adapter
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest

from sapwood.accounts.claims import kept, tidy
from sapwood.accounts.provider_http import provider_error

WELL_KNOWN = "/.well-known/openid-configuration"
MAX_SUBJECT_CHARS = 191  # the library's column


class CarefulTokens(OAuth2Adapter):  # type: ignore[misc]  # allauth ships no types
    """Reads a token answer that may hold anything."""

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        """The token, or ProviderError."""
        try:
            return super().parse_token(data)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise provider_error("the token answer cannot be read") from error


class SsoAdapter(CarefulTokens, OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth ships no types
    """The code flow, against the operator's provider."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """The provider's description of itself, checked (OpenID Connect Discovery 1.0, section 4.3)."""
        config: dict[str, Any] = super().openid_config
        named = self.get_provider().app.settings["server_url"].partition(WELL_KNOWN)[0].rstrip("/")
        if str(config.get("issuer", "")).rstrip("/") != named:
            raise provider_error(f"it calls itself {config.get('issuer')!r}, and SAPWOOD_OIDC_ISSUER says {named!r}")
        for name in ("authorization_endpoint", "token_endpoint"):
            if not isinstance(config.get(name), str):
                raise provider_error(f"its description has no {name}")
        return config

    def complete_login(self, request: HttpRequest, app: Any, token: SocialToken, **kwargs: Any) -> Any:
        """Who signs in, by the id token and, where there is one, by the user info of the same person.

        The id token came straight from the provider, so TLS vouches for it instead of its signature (OpenID Connect
        Core 1.0, section 3.1.3.7, point 6); both must speak of the same subject (section 5.3.2).
        """
        found = kwargs["response"].get("id_token")
        if not isinstance(found, str):
            raise OAuth2Error("the answer holds no id token")
        said = self._decode_id_token(app, found)
        subject = said.get("sub")
        if not (isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT_CHARS) or "exp" not in said:
            raise OAuth2Error("the id token names no subject or never expires")
        info = self._fetch_user_info(token.token) if self.openid_config.get("userinfo_endpoint") else {"sub": subject}
        if info.get("sub") != subject:
            raise OAuth2Error("the user info speaks of somebody else than the id token")
        return self.get_provider().sociallogin_from_response(request, tidy({**said, **info}))

    def _decode_id_token(self, app: Any, id_token: str) -> dict[str, Any]:
        said: dict[str, Any] = jwtkit.verify_and_decode(
            credential=id_token,
            keys_url="",
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            lookup_kid=jwtkit.lookup_kid_jwk,
            verify_signature=False,
        )
        return said


class SsoProvider(OpenIDConnectProvider):  # type: ignore[misc]  # allauth ships no types
    """The institution's single sign-on."""

    oauth2_adapter_class = SsoAdapter

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, object]:
        """Of what it says, only what is needed is stored."""
        return kept(data)
