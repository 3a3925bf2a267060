"""To an identity provider and back."""

from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.views import OAuth2Adapter, OAuth2CallbackView, OAuth2LoginView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from sapwood.accounts.guards import public
from sapwood.accounts.oidc import SsoAdapter
from sapwood.accounts.openedx.sign_in import PlatformAdapter


@public
@never_cache
def sso_login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Leave for the institution's single sign-on."""
    return _leave(request, SsoAdapter(request, provider_id))


@public
@never_cache
def sso_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Come back from there."""
    return _come_back(request, SsoAdapter(request, provider_id))


@public
@never_cache
def platform_login(request: HttpRequest) -> HttpResponse:
    """Leave for the platform."""
    return _leave(request, PlatformAdapter(request))


@public
@never_cache
def platform_callback(request: HttpRequest) -> HttpResponse:
    """Come back from there."""
    return _come_back(request, PlatformAdapter(request))


def _leave(request: HttpRequest, adapter: OAuth2Adapter) -> HttpResponse:
    """A page that goes on by itself: our content security policy keeps forms, and where they redirect, on this site."""
    try:
        response: HttpResponse = OAuth2LoginView.adapter_view(adapter)(request)
        name = adapter.get_provider().name
    except SocialApp.DoesNotExist:
        raise Http404 from None
    if "Location" not in response:
        return response
    return render(request, "sapwood/accounts/leave.html", {"address": response["Location"], "provider": name})


def _come_back(request: HttpRequest, adapter: OAuth2Adapter) -> HttpResponse:
    try:
        response: HttpResponse = OAuth2CallbackView.adapter_view(adapter)(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    return response
