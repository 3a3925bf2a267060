"""A campus with two real environments: interpreters of their own over one Django, and a shop that changes."""

import contextlib
import dataclasses
import os
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.servers import copy

from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.models import ForecastRecord

_STOCKED: set[str] = set()
SQLITE = '{"ENGINE": "django.db.backends.sqlite3", "NAME": "nowhere.sqlite3"}'
SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shop"]
USE_TZ = True
DATABASES = {"default": DATABASE}
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

    def __init__(self, folder: Path, url: DatabaseUrl | None = None) -> None:
        self.folder, self.url = folder, url
        self.subject = folder / "campus.toml"
        self.subject.write_text(SUBJECT)
        if url is None:
            (folder / "campus_settings.py").write_text(f"DATABASE = {SQLITE}\n{SETTINGS}")
        else:
            self._on_server(url)
        (folder / "data").mkdir()
        self.database = folder / "data" / "campus.sqlite3"
        for side in ("old", "new"):
            self._environment(side)
            self.models(side)
            self.migration(side, "0001_initial", FIRST)

    def _on_server(self, url: DatabaseUrl) -> None:
        """Settings as operators write them, some of which would lead a careless rehearsal back to production."""
        database: dict[str, Any] = {name: value for name, value in url.as_django().items() if name.isupper()}
        database["ENGINE"] = f"django.db.backends.{url.vendor}"
        before = ""
        if url.vendor == "mysql":
            before = "import pymysql\npymysql.install_as_MySQLdb()\n"
            options = {
                "unix_socket": url.socket,
                "charset": "utf8mb4",
                "init_command": "SET sql_mode='STRICT_ALL_TABLES'",
            }
        else:
            options = {"sslmode": "prefer", "passfile": "/nonexistent/production"}
        text = f"{before}DATABASE = {database | {'OPTIONS': options}}\n{SETTINGS}"
        (self.folder / "campus_settings.py").write_text(text)
        address = f"{url.vendor}://{url.user}:{url.password}@/{url.name}?socket={quote(url.socket, safe='')}"
        self.subject.write_text(SUBJECT.replace("sqlite:///data/campus.sqlite3", address))

    def _environment(self, side: str) -> None:
        # What `python -m venv --without-pip` makes, in a hundredth of the time.
        base = Path(sys._base_executable)
        packages = (
            self.folder / side / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        )
        packages.mkdir(parents=True)
        (self.folder / side / "bin").mkdir()
        (self.folder / side / "bin" / "python").symlink_to(base)
        (self.folder / side / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
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
            if {self.url is None}:
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


@pytest.fixture(autouse=True)
def _own_database(db):
    """Every rehearsal writes down what it foretold."""


@pytest.fixture(scope="session")
def between_tests(django_db_setup, django_db_blocker):
    """Lets a fixture of a module rehearse; what is written down then is taken away again."""

    @contextlib.contextmanager
    def open_database():
        with django_db_blocker.unblock():
            yield
            ForecastRecord.objects.all().delete()

    return open_database


@pytest.fixture(scope="session")
def stock(tmp_path_factory):
    """The database of a campus in production with a hundred products, made once."""
    return opened(Campus(tmp_path_factory.mktemp("stock"))).database.read_bytes()


@pytest.fixture
def campus(tmp_path, stock):
    """A campus in production with a hundred products."""
    (tmp_path / "campus").mkdir()
    made = Campus(tmp_path / "campus")
    made.database.write_bytes(stock)
    return made


def opened(made: Campus) -> Campus:
    """Put a campus with a hundred products into production; the second on a server copies what the first had."""
    stock = None if made.url is None else dataclasses.replace(made.url, name="stock")
    if stock is not None and stock.socket in _STOCKED:
        copy(stock, made.url)
        return made
    made.run(
        "old",
        """
        import uuid
        call_command("migrate", verbosity=0)
        for number in range(100):
            Product.objects.create(code=str(uuid.uuid4()), title=f"Product {number}")
        """,
    )
    if stock is not None:
        copy(made.url, stock)
        _STOCKED.add(stock.socket)
    return made
