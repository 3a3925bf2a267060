"""Every kind of deployment. A further one is one more line here, and a sample for the contract test."""

from typing import Final

from sapwood.site.upgrades.data import Subject
from sapwood.site.upgrades.drivers.base import Driver
from sapwood.site.upgrades.drivers.django_sites import DjangoDriver
from sapwood.site.upgrades.drivers.tutor import TutorDriver

DRIVERS: Final[dict[str, Driver]] = {driver.name: driver for driver in (DjangoDriver(), TutorDriver())}


def driver_of(subject: Subject) -> Driver:
    """The driver of a subject."""
    return DRIVERS[subject.driver]
