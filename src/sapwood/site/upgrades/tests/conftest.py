"""A campus with two real environments: interpreters of their own over one Django, and a shop that changes."""

import os
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shop"]
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "nowhere.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
print("settings may print")
"""
FIRST = """
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.CreateModel("Product", [
        ("id", models.BigAutoField(primary_key=True)),
        ("code", models.CharField(max_length=36, unique=True)),
        ("title", models.CharField(max_length=100, null=True)),
    ])]
"""
MODELS = """
from django.db import models
class Product(models.Model):
    code = {code}
    title = {title}
"""
CODE, TITLE = "models.CharField(max_length=36, unique=True)", "models.CharField(max_length=100, null=True)"
SUBJECT = """
name = "campus"
driver = "django"
settings = "campus_settings"
pythonpath = ["."]
database_url = "sqlite:///data/campus.sqlite3"
[current]
python = "./old/bin/python"
[target]
python = "./new/bin/python"
"""


class Campus:
    """A folder with a subject file, two environments and a database with rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.subject = folder / "campus.toml"
        self.subject.write_text(SUBJECT)
        (folder / "campus_settings.py").write_text(SETTINGS)
        (folder / "data").mkdir()
        self.database = folder / "data" / "campus.sqlite3"
        for side in ("old", "new"):
            self._environment(side)
            self.models(side)
            self.migration(side, "0001_initial", FIRST)

    def _environment(self, side: str) -> None:
        # What `python -m venv --without-pip` makes, in a hundredth of the time.
        base = Path(sys._base_executable)
        packages = (
            self.folder / side / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        )
        packages.mkdir(parents=True)
        (self.folder / side / "bin").mkdir()
        (self.folder / side / "bin" / "python").symlink_to(base)
        (self.folder / side / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
        paths = [sysconfig.get_path("purelib"), str(self.folder / f"code-{side}")]
        (packages / "side.pth").write_text("\n".join(paths))
        (self.folder / f"code-{side}" / "shop" / "migrations").mkdir(parents=True)
        for package in ("shop", "shop/migrations"):
            (self.folder / f"code-{side}" / package / "__init__.py").touch()

    def models(self, side: str, *, code: str = CODE, title: str = TITLE, more: str = "") -> None:
        """Write one side's models."""
        text = MODELS.format(code=code, title=title) + more
        (self.folder / f"code-{side}" / "shop" / "models.py").write_text(text)

    def migration(self, side: str, name: str, source: str) -> None:
        """Write one migration of one side."""
        path = self.folder / f"code-{side}" / "shop" / "migrations" / f"{name}.py"
        path.write_text(textwrap.dedent(source))

    def run(self, side: str, code: str) -> None:
        """Run code of the campus's own in production, as an operator's own scripts would."""
        setup = f"""
            import campus_settings, django
            campus_settings.DATABASES["default"]["NAME"] = {str(self.database)!r}
            django.setup()
            from django.core.management import call_command
            from shop.models import Product
        """
        subprocess.run(
            [self.folder / side / "bin" / "python", "-c", textwrap.dedent(setup) + textwrap.dedent(code)],
            check=True,
            capture_output=True,
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "DJANGO_SETTINGS_MODULE": "campus_settings",
                "PYTHONPATH": str(self.folder),
            },
        )


@pytest.fixture
def campus(tmp_path):
    """A campus in production with a hundred products."""
    (tmp_path / "campus").mkdir()
    made = Campus(tmp_path / "campus")
    made.run(
        "old",
        """
        import uuid
        call_command("migrate", verbosity=0)
        for number in range(100):
            Product.objects.create(code=str(uuid.uuid4()), title=f"Product {number}")
        """,
    )
    return made
