"""The HTTP API's guards: tokens and permissions."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from typing_extensions import override

from sapwood.accounts.actions.tokens import authenticate_token
from sapwood.accounts.data import ANYWHERE
from sapwood.accounts.guards import require_recent_sign_in
from sapwood.accounts.models import ApiToken, User
from sapwood.accounts.permissions import permission
from sapwood.accounts.queries import user_has
from sapwood.core.clock import system_clock

_PARTS = 2


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer sapw_…`; what the token may do is cut to what its owner may do now."""

    @override
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        secret = parts[1].decode("ascii", errors="replace") if len(parts) == _PARTS else ""
        token = authenticate_token(secret, now=system_clock().now())
        if token is None:
            raise AuthenticationFailed("This token is unknown, expired or revoked.")
        return token.user, token

    @override
    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="sapwood"'


def Needs(code: str, *, dangerous: bool = False) -> type[BasePermission]:  # noqa: N802 - read as the class that it makes
    """A DRF permission class: `permission_classes = [Needs("inbox.decide")]`.

    A narrowed grant opens the endpoint; `check_object_permissions` then holds the object against it. What is
    `dangerous` wants a fresh sign-in of whoever comes with a session; a token proves itself by its scope.
    """
    permission(code)

    class HoldsPermission(BasePermission):
        sapwood_permission = code
        sapwood_dangerous = dangerous

        @override
        def has_permission(self, request: Request, view: Any) -> bool:
            if not user_has(request.user, code, ANYWHERE):
                return False
            if dangerous and not isinstance(request.auth, ApiToken):
                require_recent_sign_in(request, now=system_clock().now())
            return True

        @override
        def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
            return user_has(request.user, code, obj)

    return HoldsPermission


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself when defined
    """How the API's description names our tokens."""

    target_class = "sapwood.accounts.rest.TokenAuthentication"
    name = "token"

    @override
    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API token, made under “My account”."}
