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
KEEP_REPORTS = settings.integer(
    "SAPWOOD_UPGRADE_KEEP_REPORTS",
    20,
    "Of how many rehearsals of each deployment that the console asked for the files are kept.",
)
KEEP_REPORT_DAYS = settings.integer(
    "SAPWOOD_UPGRADE_KEEP_REPORT_DAYS",
    180,
    "For how many days the files of a rehearsal are kept; what it found stays in the database.",
)
