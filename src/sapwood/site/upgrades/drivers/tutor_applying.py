"""The button of a Tutor site, and its way back: the same journal and the same steps, made of Tutor's own commands.

Early, while the site is up, its images are built and fetched in a root beside the site's. Then the site is stopped and
its folders are copied: the point of return. Whatever follows is taken back by putting these folders back.
"""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.applying import ApplyError, HalfDoneError, Run
from sapwood.site.upgrades.drivers import container
from sapwood.site.upgrades.drivers.tutor_place import DAY_S, PLATFORM, PREPARES, Place, closed, program_of, words_of
from sapwood.site.upgrades.drivers.tutor_shadow import secret_values
from sapwood.site.upgrades.engines.base import remove, require_room

# What Tutor may be asked for twice. The others change databases, which take nothing on the schema back.
AGAIN: Final = frozenset({"stop", "render", "images", "pull", "start"})
CONFIGURATION: Final = ("config.yml", "env")
ROOM_FACTOR: Final = 1.1
QUIET_S: Final = 1.0
STOP_S: Final = 600.0


class TutorRun(Run):
    """One upgrade of a Tutor site, from its journal."""

    cleared = False

    @override
    def _step(self, step: str) -> None:
        if not self.cleared:  # jobs of a coordinator that was killed outlive it
            container.end_jobs(self.begun["project"], self.journal.folder)
            self.cleared = True
        super()._step(step)

    @override
    def half_done(self) -> list[tuple[str, str]]:
        return []  # nothing early changes a database

    @override
    def drop_backups(self) -> None:
        place = self._place()
        for kind in ("base", "final", "beside"):
            folder = self.journal.folder / kind
            if folder.exists() and os.geteuid() != 0:
                place.folders("empty", folder)  # its files are of the accounts in the containers
            remove(folder)

    # --- forward ----------------------------------------------------------------------------------------------------

    @override
    def _do_base_backup(self) -> dict[str, Any]:
        """The configuration, and the certainty that the rest will have room."""
        known = [store["size_bytes"] or 0 for store in self.begun["stores"]]
        require_room(self.journal.folder, int(sum(known) * ROOM_FACTOR))
        return {"configuration": self._keep_configuration("base")}

    @override
    def _do_early(self) -> dict[str, Any]:
        """Build and fetch the images of the new releases while the site is up, in a root beside the site's."""
        beside = self.journal.folder / "beside"
        for step in self._automated:
            if _name(step) not in PREPARES:
                continue
            program = program_of(step["argv"])
            if not beside.exists():
                beside.mkdir(mode=0o700)
            shutil.copyfile(self._root / "config.yml", beside / "config.yml")
            place = self._place(root=beside)
            place.save(program)
            self._command(step, place)
        remove(beside)
        return {}

    @override
    def _do_stop(self) -> None:
        self._place().stop(self._left)

    @override
    def _do_quiet(self) -> dict[str, Any]:
        """Prove that nobody writes: no container of the site runs, and two looks at its folders see the same."""
        place = self._place()
        if found := place.running():
            raise ApplyError(
                Phrase("%(count)s containers of the site still run", count=len(found)),
                hint=Phrase("Stop them: `docker ps` shows which."),
            )
        before = _newest(self._data)
        time.sleep(QUIET_S)
        if _newest(self._data) != before:
            raise ApplyError(
                Phrase("Something still writes to %(folder)s", folder=self._data),
                hint=Phrase("Stop whatever else uses the site's folders."),
            )
        return {}

    @override
    def _do_final_backup(self) -> dict[str, Any]:
        """Every folder of the site's data, each proved to be what it was copied from; and the configuration."""
        place, made = self._place(), {}
        for name in self._folders():
            self.say(f"backing up {name}")
            kept = place.folders("replace", self._data / name, self._copies / name)
            if place.folders("describe", self._data / name) != kept:
                raise ApplyError(
                    Phrase("The copy of %(folder)s is not what it was copied from", folder=name),
                    hint=Phrase("Does something still write there? Look at the disk too."),
                )
            made[name] = kept
        return {"folders": made, "configuration": self._keep_configuration("final")}

    @override
    def _do_migrate(self) -> dict[str, Any]:
        """Tutor's own steps, hop by hop, each with its own lines in the journal."""
        place, count = self._place(), 0
        for step in self._automated:
            if _name(step) == "open" or step["id"] == "1.stop":
                continue
            if self._ran(step["id"]):
                continue
            self._command(step, place)
            count += 1
        return {"commands": count}

    @override
    def _do_switch(self) -> None:
        """The environment is the new release's since its first step: there is nothing left to switch."""

    @override
    def _do_start(self) -> None:
        place = self._place()
        place.start(self._arrived, closed(place.model(self._arrived)))

    @override
    def _do_check(self) -> dict[str, Any]:
        """Whatever was started runs, and the platform's code finds every migration applied."""
        place = self._place()
        for service in PLATFORM:
            words = ("local", "run", "--no-deps", service, "./manage.py", service, "migrate", "--check")
            place.tutor(self._arrived, *words, limit_s=DAY_S)
        for service in PLATFORM:
            if not container.containers(place.project, place.folder, running=True, service=service):
                raise ApplyError(
                    Phrase("After the upgrade %(service)s does not run", service=service),
                    hint=Phrase("Its words: `tutor local logs %(service)s`.", service=service),
                )
        if count := len(container.containers(place.project, place.folder, running=False, status="restarting")):
            raise ApplyError(
                Phrase("After the upgrade %(count)s containers do not stay up", count=count),
                hint=Phrase("Their words: `tutor local logs`."),
            )
        return {}

    @override
    def _do_maintenance_off(self) -> None:
        self._place().start(self._arrived)
        super()._do_maintenance_off()

    # --- back -------------------------------------------------------------------------------------------------------

    @override
    def _do_back_stop(self) -> None:
        """Whichever release its files are of: found by its name, and let go gently."""
        if found := container.containers(self.begun["project"], self.journal.folder, running=True):
            self._place().run([container.ENGINE, "stop", *found], limit_s=STOP_S)

    @override
    def _do_back_restore(self) -> dict[str, Any]:
        """Each folder exactly as in its backup, and proved so; containers of the new release are gone."""
        place, final = self._place(), self.journal.last_of("done", "final_backup")
        if found := container.containers(place.project, place.folder, running=False):
            place.run([container.ENGINE, "rm", "--force", *found], limit_s=STOP_S)
        if final is not None:
            made: Mapping[str, str] = final.details["folders"]
            for name, digest in made.items():
                self.say(f"restoring {name}")
                if place.folders("replace", self._copies / name, self._data / name) != digest:
                    raise ApplyError(
                        Phrase("The restored folder %(folder)s differs from its backup", folder=name),
                        hint=Phrase("Use another backup; check the disk."),
                    )
            for name in set(self._folders()) - set(made):  # made by the new release
                place.folders("empty", self._data / name)
        self._restore_configuration("final" if final is not None else "base")
        return {"equal": True}

    @override
    def _do_back_switch(self) -> None:
        """The environment came back with the configuration."""

    @override
    def _do_back_start(self) -> None:
        place = self._place()
        place.start(self._left, closed(place.model(self._left)))

    @override
    def _do_back_maintenance_off(self) -> None:
        self._place().start(self._left)
        super()._do_back_maintenance_off()

    # --- shared -----------------------------------------------------------------------------------------------------

    @property
    def _root(self) -> Path:
        return Path(self.begun["root"])

    @property
    def _data(self) -> Path:
        return self._root / "data"

    @property
    def _copies(self) -> Path:
        return self.journal.folder / "final" / "data"

    @property
    def _left(self) -> Path:
        """The Tutor of the release that is left."""
        return Path(self.begun["programs"][0])

    @property
    def _arrived(self) -> Path:
        """The Tutor of the release that is reached."""
        return Path(self.begun["programs"][1])

    @property
    def _automated(self) -> list[Mapping[str, Any]]:
        return [step for step in self.begun["steps"] if step["argv"]]

    def _place(self, root: Path | None = None) -> Place:
        known = [place for place in (self._root, root) if place and (place / "config.yml").exists()]
        secrets = tuple(text for place in known for text in secret_values(place))
        folder, image = self.journal.folder, self.begun["image"]
        return Place(root or self._root, self.begun["project"], folder, self.subject.plugins_root, secrets, image)

    def _folders(self) -> list[str]:
        return sorted(path.name for path in self._data.iterdir() if path.is_dir() and not path.is_symlink())

    def _ran(self, key: str) -> bool:
        """Whether a command ended well. One that was interrupted, and may not run twice, ends this upgrade."""
        last = [entry for entry in self.journal.entries if entry.details.get("command") == key]
        here = [entry for entry in last if not entry.details.get("early")]
        if here and here[-1].event == "command_started" and key.partition(".")[2] not in AGAIN:
            raise HalfDoneError(
                Phrase("The step %(step)s was interrupted, and nothing can take back a part of it", step=key),
                hint=Phrase("The way back is the point of return."),
            )
        return bool(here) and here[-1].event == "command_done"

    def _command(self, step: Mapping[str, Any], place: Place) -> None:
        """Run one command of the plan, with a line in the journal before and after."""
        name, program = _name(step), program_of(step["argv"])
        about: dict[str, Any] = {"command": step["id"], "early": place.root != self._root}
        self.journal.write("command_started", **about)
        self.say(f"running {step['id']}: {step['title']}")
        began = time.perf_counter()
        if name == "stop":
            place.stop(program)
        elif name == "start":
            place.start(program, closed(place.model(program)))
        elif name == "pull":
            place.pull(program)
        else:
            place.tutor(program, *words_of(step["argv"]), limit_s=DAY_S)
        self.journal.write("command_done", seconds=round(time.perf_counter() - began, 3), **about)

    def _keep_configuration(self, kind: str) -> str:
        """Copy what Tutor and the operator wrote into a private folder; the digest of the copy."""
        goal = self.journal.folder / kind / "configuration"
        remove(goal)
        goal.mkdir(parents=True, mode=0o700)
        shutil.copy2(self._root / "config.yml", goal / "config.yml")
        place = self._place()
        place.folders("replace", self._root / "env", goal / "env")
        if self.subject.plugins_root:
            place.folders("replace", self.subject.plugins_root, goal / "plugins")
        return place.folders("describe", goal)

    def _restore_configuration(self, kind: str) -> None:
        done, goal, place = (
            self.journal.last_of("done", f"{kind}_backup"),
            self.journal.folder / kind / "configuration",
            self._place(),
        )
        if done is None or place.folders("describe", goal) != done.details["configuration"]:
            raise ApplyError(
                Phrase("The copy of the configuration is not whole"), hint=Phrase("Use another backup; check the disk.")
            )
        shutil.copy2(goal / "config.yml", self._root / "config.yml")
        place.folders("replace", goal / "env", self._root / "env")
        if self.subject.plugins_root:
            place.folders("replace", goal / "plugins", self.subject.plugins_root)


def _name(step: Mapping[str, Any]) -> str:
    return str(step["id"]).partition(".")[2]


def _newest(folder: Path) -> tuple[int, int, int]:
    """How many files there are, their bytes, and when the newest was changed; what may not be read is left out."""
    count = size = newest = 0
    for place, _folders, files in os.walk(folder):
        for name in files:
            try:
                found = os.lstat(Path(place, name))
            except OSError:
                continue
            count, size, newest = count + 1, size + found.st_size, max(newest, found.st_mtime_ns)
    return count, size, newest
