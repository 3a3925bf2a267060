"""`sapwood upgrade rehearse` with `technique = "sample"`: forecasts from samples, and never a go."""

import hashlib
import json
from itertools import pairwise

import pytest
from click.testing import CliRunner
from tests.servers import execute, mariadb, mariadb_server, postgresql, postgresql_server  # noqa: F401 - fixtures

from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.engines.base import engine_for
from sapwood.site.upgrades.tests.conftest import Campus

pytestmark = pytest.mark.slow

ROWS = 12_000
ORDER = """
class Order(models.Model):
    product = models.ForeignKey(Product, models.CASCADE)
    before = models.ForeignKey("self", models.SET_NULL, null=True)
    again = models.ForeignKey("self", models.SET_NULL, null=True, db_constraint=False, related_name="+")
    note = models.CharField(max_length=80)
"""
PRICED = ORDER + "    price = models.IntegerField(null=True)\n"
SECOND = """
    from django.db import migrations, models
    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [migrations.CreateModel("Order", [
            ("id", models.BigAutoField(primary_key=True)),
            ("product", models.ForeignKey("shop.Product", models.CASCADE)),
            ("before", models.ForeignKey("self", models.SET_NULL, null=True)),
            ("again", models.ForeignKey("self", models.SET_NULL, null=True, db_constraint=False, related_name="+")),
            ("note", models.CharField(max_length=80)),
        ])]
"""
PRICE = """
    from django.db import migrations, models
    def count(apps, schema_editor):
        order = apps.get_model("shop", "Order")
        for one in order.objects.select_related("product", "before", "again").iterator():
            assert one.product.pk and (one.before is None or one.before.pk < one.pk) and one.again.pk
            if one.pk % 50 == 0:
                order.objects.filter(pk=one.pk).update(price=one.pk)
    class Migration(migrations.Migration):
        dependencies = [("shop", "0002_order")]
        operations = [migrations.AddField("Order", "price", models.IntegerField(null=True)),
                      migrations.RunPython(count)]
"""
UNIQUE = """
    from django.db import migrations, models
    class Migration(migrations.Migration):
        dependencies = [("shop", "0002_order")]
        operations = [migrations.AddConstraint(
            "Order", models.UniqueConstraint(fields=["note"], name="note_once"))]
"""


def opened(campus):
    """In production with many orders that point at products, at each other, and at each other unknown to the server."""
    for side in ("old", "new"):
        campus.models(side, more=ORDER)
        campus.migration(side, "0002_order", SECOND)
    campus.subject.write_text(campus.subject.read_text() + '[shadow]\ntechnique = "sample"\n')
    campus.run(
        "old",
        f"""
        import uuid
        from shop.models import Order
        call_command("migrate", verbosity=0)
        Product.objects.bulk_create([Product(code=str(uuid.uuid4()), title="x") for _ in range({ROWS} // 4)])
        products = list(Product.objects.order_by("pk").values_list("pk", flat=True))
        Order.objects.bulk_create([
            Order(pk=n, product_id=products[n * 7 % len(products)], note=f"note {{n}}",
                  before_id=None if n % 2 else n - 1, again_id=n - (n - 1) % 4)
            for n in range(1, {ROWS} + 1)
        ], batch_size=1000)
        """,
    )
    return campus


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def shop(request, tmp_path):
    (tmp_path / "campus").mkdir()
    url = None if request.param == "sqlite" else request.getfixturevalue(request.param)
    return opened(Campus(tmp_path / "campus", url))


@pytest.fixture
def rehearse(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))

    def seen():
        if shop.url is None:
            return hashlib.sha256(shop.database.read_bytes()).hexdigest()
        return engine_for(shop.url).fingerprint(shop.url)

    def invoke(code):
        before = seen()
        given = ["rehearse", str(shop.subject), "--report", str(tmp_path / "report"), "--json"]
        done = CliRunner().invoke(upgrade, given)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        assert seen() == before
        assert not list((tmp_path / "var" / "site" / "upgrades").glob("shadow-*"))
        return json.loads(done.stdout)

    return invoke


def test_samples_of_growing_size_foretell_what_all_rows_take_and_are_never_a_go(shop, rehearse, tmp_path):
    shop.models("new", more=PRICED)
    shop.migration("new", "0003_price", PRICE)
    found = rehearse(4)
    assert (found["verdict"], found["certificate"], found["shadow_technique"]) == ("unknown", None, "sample")
    assert found["reasons"][0].startswith("A sample of the rows tells how long the upgrade takes, not that it works")
    assert not (tmp_path / "report" / "certificate.json").exists()
    assert not (tmp_path / "report" / "migrations.json").exists(), "what is foretold was not measured"
    drawn = [{row["name"]: row["rows"] for row in one["tables"]} for one in found["samples"]]
    assert [one["share"] for one in found["samples"]] == [0, 0.025, 0.05, 0.1]
    for small, large in pairwise(drawn):
        assert small["shop_order"] < large["shop_order"] < ROWS / 2
        assert small["shop_product"] < large["shop_product"] < ROWS / 8
    [migration] = found["migrations"]
    assert migration["outcome"] == "done"
    times = migration["forecast_s"]
    assert times["low"] < times["likely"] < times["high"]
    assert migration["seconds"] == pytest.approx(times["likely"], abs=0.001)
    assert migration["sampled_seconds"] < times["likely"]  # a tenth of the rows takes less than all of them
    for name in ("predicted_downtime_s", "predicted_rollback_s"):
        assert 0 < found[name]["low"] < found[name]["likely"] < found[name]["high"]
    assert found["interval_basis"]["downtime"]["rests_on"] == "samples"
    closed = sum(step["seconds"] or 0 for step in found["steps"] if step["part"] == "closed")
    assert closed == pytest.approx(found["predicted_downtime_s"]["likely"], abs=0.002)
    assert any("not in the sample" in line for line in found["untested"])
    assert f"shop_order: {drawn[-1]['shop_order']:,} of {ROWS:,} rows" in found["untested"]
    assert "shop.0003_price" in (tmp_path / "report" / "rehearsal.html").read_text()


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_what_fails_on_a_sample_is_a_no_go(shop, rehearse):
    shop.migration("new", "0003_note", UNIQUE)
    shop.run("old", "from shop.models import Order; Order.objects.update(note='the same')")
    found = rehearse(3)
    assert found["verdict"] == "no-go"
    assert [row["outcome"] for row in found["migrations"]] == ["failed"]
    assert any("not in the sample" in line for line in found["untested"])
