"""Addresses of accounts; `config` mounts them below `accounts/`."""

from allauth.account import views as allauth_views
from allauth.socialaccount import views as social_views
from django.urls import URLPattern, URLResolver, include, path

from sapwood.accounts.guards import public, reauthentication_required, sign_in_required
from sapwood.accounts.views import audit, links, me, people, providers

own: list[URLPattern | URLResolver] = [
    path("link/<str:secret>", links.link, name="link"),
    path("confirm", links.confirm, name="confirm"),
    path("", me.account, name="me"),
    path("me/sessions/<int:pk>/end", me.end_session, name="end_session"),
    path("me/sessions/end-others", me.end_other_sessions, name="end_other_sessions"),
    path("me/tokens/new", me.new_token, name="new_token"),
    path("me/tokens/<uuid:uuid>/end", me.end_token, name="end_token"),
    path("me/data", me.export, name="my_data"),
    path("me/erase", me.erase, name="erase_me"),
    path("people", people.people, name="people"),
    path("people/invite", people.invite, name="invite"),
    path("people/claims", people.claims, name="claims"),
    path("people/claims/<int:pk>/remove", people.remove_claim, name="remove_claim"),
    path("people/<uuid:uuid>", people.person, name="person"),
    path("people/<uuid:uuid>/grant", people.grant, name="grant"),
    path("people/<uuid:uuid>/revoke/<int:pk>", people.revoke, name="revoke"),
    path("people/<uuid:uuid>/link", people.mail_link, name="mail_link"),
    path("people/<uuid:uuid>/switch", people.switch, name="switch"),
    path("people/<uuid:uuid>/reset-factor", people.reset_factor, name="reset_factor"),
    path("people/<uuid:uuid>/erase", people.erase, name="erase"),
    path("people/<uuid:uuid>/data", people.export, name="person_data"),
    path("audit", audit.log, name="audit"),
    path("audit/verify", audit.verify, name="audit_verify"),
    path("audit/export", audit.export, name="audit_export"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include((own, "accounts"))),
    # allauth lets a person without a password set one unasked; here that needs a fresh sign-in.
    path(
        "password/set/",
        sign_in_required(reauthentication_required(allauth_views.password_set)),
        name="account_set_password",
    ),
    # allauth forgot to mark the page that says why single sign-on failed.
    path("3rdparty/login/error/", public(social_views.login_error), name="socialaccount_login_error"),
    path("", include("allauth.account.urls")),
    path("2fa/", include("allauth.mfa.urls")),
    path("3rdparty/", include("allauth.socialaccount.urls")),
    path("oidc/<str:provider_id>/login/", providers.sso_login, name="openid_connect_login"),
    path("oidc/<str:provider_id>/login/callback/", providers.sso_callback, name="openid_connect_callback"),
    path("platform/login/", providers.platform_login, name="platform_login"),
    path("platform/login/callback/", providers.platform_callback, name="platform_callback"),
]
