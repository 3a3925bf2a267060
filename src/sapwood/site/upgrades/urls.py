"""Addresses of this module's pages."""

from django.urls import path

from sapwood.site.upgrades import automation_views, views

app_name = "upgrades"
urlpatterns = [
    path("", views.home, name="home"),
    path("request/<uuid:key>/", views.request_page, name="request"),
    path("rehearsal/<uuid:key>/", views.rehearsal, name="rehearsal"),
    path("rehearsal/<uuid:key>/report.html", views.report_page, name="report_page"),
    path("rehearsal/<uuid:key>/report.json", views.report_json, name="report_json"),
    path("rehearsal/<uuid:key>/certificate.json", views.certificate_file, name="certificate_file"),
    path("run/<str:key>/", views.run, name="run"),
    path("run/<str:key>/resume", views.resume, name="resume"),
    path("run/<str:key>/rollback", views.rollback, name="rollback"),
    path("run/<str:key>/pause", views.pause, name="pause"),
    path("override/<uuid:key>/confirm", views.confirm_override, name="confirm_override"),
    path("news/", automation_views.news_page, name="news"),
    path("news/<uuid:key>/dismiss", automation_views.dismiss, name="dismiss"),
    path("calendar/", automation_views.calendar, name="calendar"),
    path("calendar/add", automation_views.add_blackout, name="add_blackout"),
    path("calendar/<uuid:key>/remove", automation_views.remove_blackout, name="remove_blackout"),
    path("<slug:place>/", views.subject, name="subject"),
    path("<slug:place>/plan", views.plan, name="plan"),
    path("<slug:place>/look", views.look, name="look"),
    path("<slug:place>/preflight", views.preflight, name="preflight"),
    path("<slug:place>/rehearse", views.rehearse, name="rehearse"),
    path("<slug:place>/begin", views.begin, name="begin"),
    path("<slug:place>/certificate", views.certificate, name="certificate"),
    path("<slug:place>/press", views.press, name="press"),
    path("<slug:place>/apply", views.apply, name="apply"),
    path("<slug:place>/override", views.ask_override, name="ask_override"),
    path("<slug:place>/history", views.history, name="history"),
    path("<slug:place>/automation", automation_views.automation, name="automation"),
    path("<slug:place>/automation/rehearsals", automation_views.allow_rehearsals, name="allow_rehearsals"),
    path("<slug:place>/automation/application", automation_views.allow_application, name="allow_application"),
    path("<slug:place>/automation/stop", automation_views.stop_automation, name="stop_automation"),
    path("<slug:place>/automation/rehearse", automation_views.rehearse_release, name="rehearse_release"),
]
