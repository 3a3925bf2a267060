"""Signing in by the platform's own OAuth 2.0, which is not OpenID Connect.

The LMS has no discovery document, no id token and no user info address. Asked with `token_type=jwt`, its token
address answers with an access token that is itself a JSON Web Token about the person (edx-platform, oauth_dispatch,
decision 0003). Which course roles somebody holds is not in there; the LMS tells it to the holder of that token.
"""

from http import HTTPStatus
from typing import Any, Final

import jwt
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialToken
from allauth.socialaccount.providers.base import ProviderAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.provider import OAuth2Provider
from django.http import HttpRequest

from sapwood.accounts.claims import kept, names_in_use, tidy
from sapwood.accounts.oidc import MAX_SUBJECT_CHARS, CarefulTokens

COURSE_ROLES: Final = "course_roles"
# A person may look up their own roles; a token of an application that is held to its scopes may not.
_NO_ROLES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


class PlatformAdapter(CarefulTokens):
    """The authorization code flow, against the operator's LMS."""

    provider_id = "platform"

    @property
    def base_url(self) -> str:
        """Where the LMS is."""
        return str(self.get_provider().app.settings["server_url"]).rstrip("/")

    @property
    def authorize_url(self) -> str:
        """Where people say yes."""
        return f"{self.base_url}/oauth2/authorize"

    @property
    def access_token_url(self) -> str:
        """Where a code becomes a token."""
        return f"{self.base_url}/oauth2/access_token"

    def get_access_token_data(
        self,
        request: HttpRequest,
        app: Any,  # noqa: ARG002 - the hook's shape
        client: Any,
        pkce_code_verifier: str | None = None,
    ) -> dict[str, Any]:
        """The token answer, with the token that says who it is."""
        code = request.GET.get("code", "")
        data: dict[str, Any] = client.get_access_token(code, pkce_code_verifier, extra_data={"token_type": "jwt"})
        return data

    def complete_login(
        self,
        request: HttpRequest,
        app: Any,  # noqa: ARG002 - the hook's shape
        token: SocialToken,
        **kwargs: Any,  # noqa: ARG002
    ) -> Any:
        """Who signs in. The token came straight from the LMS, so TLS vouches for it instead of its signature."""
        try:
            said = jwt.decode(token.token, options={"verify_signature": False, "verify_exp": True, "require": ["exp"]})
        except jwt.PyJWTError as error:
            raise OAuth2Error("the access token is not a token that says who it is") from error
        if not 0 < len(str(said.get("sub") or "")) <= MAX_SUBJECT_CHARS:
            raise OAuth2Error("the access token names no subject")
        if COURSE_ROLES in names_in_use():
            said[COURSE_ROLES] = self._course_roles(token.token)
        return self.get_provider().sociallogin_from_response(request, tidy(said))

    def _course_roles(self, token: str) -> list[str]:
        """The names of the roles that this person holds in any course, such as `instructor` and `staff`."""
        headers = {"Authorization": f"JWT {token}"}
        with get_adapter().get_requests_session() as session:
            answer = session.get(f"{self.base_url}/api/enrollment/v1/roles/", headers=headers)
        if answer.status_code in _NO_ROLES:
            return []
        answer.raise_for_status()
        rows = answer.json().get("roles")
        found = rows if isinstance(rows, list) else []
        return sorted({str(row["role"]) for row in found if isinstance(row, dict) and isinstance(row.get("role"), str)})


class PlatformProvider(OAuth2Provider):  # type: ignore[misc]  # allauth ships no types
    """The platform that people learn and teach on."""

    id = "platform"
    name = "Open edX"
    account_class = ProviderAccount
    oauth2_adapter_class = PlatformAdapter
    pkce_enabled_default = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = self.app.name

    def get_default_scope(self) -> list[str]:
        """Name and address; nothing that reads or writes courses."""
        return ["profile", "email"]

    def extract_uid(self, data: dict[str, Any]) -> str:
        """The stable id that the LMS gives to others instead of its own."""
        return str(data["sub"])

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        """Address and name."""
        return {name: data.get(name) for name in ("email", "email_verified", "name")}

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, object]:
        """Of what it says, only what is needed is stored."""
        return kept(data)
