"""The console's own pages; `config` mounts them at the root of both roles."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from sapwood.console import views

app_name = "console"
urlpatterns = [
    path("", views.home, name="home"),
    path("console/patterns", login_not_required(views.patterns), name="patterns"),
    path("console/work/<uuid:key>/", views.work, name="work"),
    path("console/theme", login_not_required(views.theme), name="theme"),
]
