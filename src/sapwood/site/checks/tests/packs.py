"""An environment with packs in it, as an operator would install them, made in a hundredth of the time."""

import sys
import sysconfig
import textwrap
from pathlib import Path

KIT = Path(__file__).parents[5] / "packs" / "kit" / "src"
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


class Packs:
    """A virtual environment with pytest and the kit; `add` installs a pack of one module."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        base = Path(sys._base_executable)
        self.packages = folder / "lib" / VERSION / "site-packages"
        self.packages.mkdir(parents=True)
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(base)
        (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        (self.packages / "tools.pth").write_text(f"{sysconfig.get_path('purelib')}\n{KIT}\n")

    def add(self, name: str, *sources: str, safety: str = "S3", needs: str = "", more: str = "") -> str:
        """Install a pack; its name."""
        module = name.replace("-", "_")
        (self.packages / module).mkdir()
        (self.packages / module / "__init__.py").touch()
        header = "import os, pytest, sys\nfrom sapwood_checks import unknown\n"
        (self.packages / module / "test_site.py").write_text("\n".join([header, *map(textwrap.dedent, sources)]))
        info = self.packages / f"{module}-1.2.dist-info"
        info.mkdir()
        points = f"[sapwood.packs]\n{name} = {module}\n"
        points += f"[sapwood.packs.safety]\n{name} = {safety}\n" if safety else ""
        points += f"[sapwood.packs.needs]\n{name} = {needs}\n" if needs else ""
        (info / "entry_points.txt").write_text(points + more)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\nAuthor-email: Carol <carol@riverside.example>\n"
        )
        (info / "RECORD").write_text(f"{module}/test_site.py,sha256=abc,1\n")
        return name
