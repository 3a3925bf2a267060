"""The demonstration: a campus on two trains of real Open edX packages, to try a plan and a rehearsal on."""

from sapwood.site.upgrades.demo.building import ENGINES, VARIANTS, Demo, DemoError, build, stop

__all__ = ["ENGINES", "VARIANTS", "Demo", "DemoError", "build", "stop"]
