"""Addresses of accounts; `config` mounts them below `accounts/`."""

from allauth.account import views as allauth_views
from django.urls import URLPattern, URLResolver, include, path

from sapwood.accounts.guards import reauthentication_required, sign_in_required
from sapwood.accounts.views import links

own: list[URLPattern | URLResolver] = [
    path("link/<str:secret>", links.link, name="link"),
    path("confirm", links.confirm, name="confirm"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include((own, "accounts"))),
    # allauth lets a person without a password set one unasked; here that needs a fresh sign-in.
    path("password/set/", sign_in_required(reauthentication_required(allauth_views.password_set))),
    path("", include("allauth.account.urls")),
    path("2fa/", include("allauth.mfa.urls")),
    path("3rdparty/", include("allauth.socialaccount.urls")),
    path("", include("allauth.socialaccount.providers.openid_connect.urls")),
]
