"""Settings of this module."""

from sapwood.core import settings

SUBJECTS = settings.words(
    "SAPWOOD_UPGRADE_SUBJECTS", (), "Subject files of the deployments whose upgrades the console offers."
)
ACCOUNT = settings.text(
    "SAPWOOD_UPGRADE_ACCOUNT",
    "",
    "The account that runs `sapwood worker`, if the console runs as another one: it has to own the subject files.",
)
TIME_ZONE = settings.text(
    "SAPWOOD_TIME_ZONE", "UTC", "The time zone of black-out dates and of the weekly window, such as Europe/Berlin."
)
