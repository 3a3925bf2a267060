"""Forecasts from samples that hold a tenth of the rows, against the same migrations on all rows, on MariaDB.

ROWS (1,000,000) are shared out over three tables that hang on each other; eighteen migrations, each of another kind. A
step is heavy that takes HEAVY seconds (1) or more on all rows; the truth is a rehearsal on a full copy, in this run.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ["SAPWOOD_ROLE"] = "site"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sapwood.config.settings")

import dataclasses  # noqa: E402
import statistics  # noqa: E402

import django  # noqa: E402

django.setup()

from run import machine  # noqa: E402
from sapwood.core.clock import system_clock  # noqa: E402
from sapwood.site.upgrades import rehearsing, sampled  # noqa: E402
from sapwood.site.upgrades.engines import mysql, servers  # noqa: E402
from sapwood.site.upgrades.subject import read_subject  # noqa: E402
from sapwood.site.upgrades.tests.conftest import Campus  # noqa: E402

ROWS = int(os.environ.get("ROWS", "1000000"))
HEAVY = float(os.environ.get("HEAVY", "1"))
CUSTOMERS, ORDERS = ROWS // 20, ROWS * 9 // 20
LINES = ROWS - CUSTOMERS - ORDERS
PRODUCTS = 500

FIELDS = {
    "Product": {"name": "models.CharField(max_length=80)"},
    "Customer": {
        "name": "models.CharField(max_length=100)",
        "email": "models.CharField(max_length=120)",
        "points": "models.IntegerField(default=0)",
    },
    "Order": {
        "customer": 'models.ForeignKey("shop.Customer", models.CASCADE)',
        "code": "models.CharField(max_length=36)",
        "state": "models.CharField(max_length=40)",
        "note": "models.CharField(max_length=200, null=True)",
        "amount": "models.FloatField()",
        "extra": "models.CharField(max_length=60, default='')",
        "created": "models.DateTimeField()",
    },
    "Line": {
        "order": 'models.ForeignKey("shop.Order", models.CASCADE)',
        "product": "models.BigIntegerField(db_column='product_id')",
        "sku": "models.CharField(max_length=40)",
        "quantity": "models.IntegerField()",
        "price": "models.IntegerField()",
        "text": "models.CharField(max_length=150)",
    },
}
AFTER = {
    "Customer": {"rank": "models.IntegerField(null=True)"},
    "Order": {
        "code": "models.CharField(max_length=36, unique=True)",
        "state": "models.CharField(max_length=20)",
        "note": "models.CharField(max_length=200, default='')",
        "amount": "models.DecimalField(max_digits=12, decimal_places=2)",
        "extra": None,
    },
    "Line": {
        "product": 'models.ForeignKey("shop.Product", models.CASCADE)',
        "quantity": "models.BigIntegerField()",
        "total": "models.IntegerField(null=True)",
    },
    "Card": {
        "customer": "models.BigIntegerField(db_column='customer_id')",
        "label": "models.CharField(max_length=200)",
    },
}
PYTHON = """
def save_each(apps, schema_editor):
    for one in apps.get_model("shop", "Customer").objects.order_by("pk").iterator():
        one.rank = one.points // 10
        one.save(update_fields=["rank"])
def make_cards(apps, schema_editor):
    card, found = apps.get_model("shop", "Card"), []
    for one in apps.get_model("shop", "Customer").objects.order_by("pk").iterator():
        found.append(card(customer=one.pk, label=f"{one.name} <{one.email}>"))
        if len(found) == 500:
            card.objects.bulk_create(found)
            found = []
    card.objects.bulk_create(found)
"""
STEPS = {
    "index_text": 'migrations.AddIndex("Line", models.Index(fields=["sku"], name="line_sku"))',
    "index_date": 'migrations.AddIndex("Order", models.Index(fields=["created", "state"], name="order_created"))',
    "type_bigint": 'migrations.AlterField("Line", "quantity", models.BigIntegerField())',
    "type_decimal": 'migrations.AlterField("Order", "amount", models.DecimalField(max_digits=12, decimal_places=2))',
    "narrow": 'migrations.AlterField("Order", "state", models.CharField(max_length=20))',
    "not_null": 'migrations.AlterField("Order", "note", models.CharField(max_length=200, default=""))',
    "unique": 'migrations.AlterField("Order", "code", models.CharField(max_length=36, unique=True))',
    "foreign_key": 'migrations.AlterField("Line", "product", models.ForeignKey("shop.Product", models.CASCADE))',
    "add_column": 'migrations.AddField("Line", "total", models.IntegerField(null=True))',
    "data_by_sql": 'migrations.RunSQL("UPDATE shop_line SET total = price * quantity")',
    "add_rank": 'migrations.AddField("Customer", "rank", models.IntegerField(null=True))',
    "data_by_orm": "migrations.RunPython(save_each)",
    "new_table": 'migrations.CreateModel("Card", [("id", models.BigAutoField(primary_key=True)),'
    ' ("customer", models.BigIntegerField(db_column="customer_id")), ("label", models.CharField(max_length=200))])',
    "bulk_by_orm": "migrations.RunPython(make_cards)",
    "drop_column": 'migrations.SeparateDatabaseAndState([migrations.RunSQL("ALTER TABLE shop_order DROP COLUMN extra,'
    ' ALGORITHM=COPY")], [migrations.RemoveField("Order", "extra")])',
    "check": 'migrations.AddConstraint("Line", models.CheckConstraint(condition=models.Q(price__gte=0), name="paid"))',
    "convert": 'migrations.RunSQL("ALTER TABLE shop_line MODIFY text VARCHAR(150) CHARACTER SET latin1 NOT NULL")',
    "delete_by_sql": 'migrations.RunSQL("DELETE FROM shop_line WHERE MOD(id, 4) = 0")',
}
FILL = (
    "INSERT INTO shop_product (name) SELECT CONCAT('product ', seq) FROM seq_1_to_{products}",
    (
        "INSERT INTO shop_customer (name, email, points) SELECT CONCAT('customer ', MD5(seq)),"
        " CONCAT(MD5(seq), '@riverside.example'), seq % 997 FROM seq_1_to_{customers}"
    ),
    (
        "INSERT INTO shop_order (customer_id, code, state, note, amount, extra, created)"
        " SELECT 1 + (seq * 7919) % {customers}, UUID(), ELT(1 + seq % 3, 'open', 'paid', 'sent'),"
        " IF(seq % 5, REPEAT(MD5(seq), 3), NULL), seq % 10007 / 7, MD5(seq + 1),"
        " '2020-01-01' + INTERVAL (seq * 6151) % 2000000 MINUTE FROM seq_1_to_{orders}"
    ),
    (
        "INSERT INTO shop_line (order_id, product_id, sku, quantity, price, text)"
        " SELECT 1 + (seq * 7907) % {orders}, 1 + seq % {products}, LEFT(MD5(seq), 20), seq % 9, seq % 1009,"
        " REPEAT(MD5(seq), 4) FROM seq_1_to_{lines}"
    ),
)


KEY = '("id", models.BigAutoField(primary_key=True))'


def initial():
    """The first migration: every table as it is before the upgrade."""
    models = []
    for name, columns in FIELDS.items():
        rows = [f'("{column}", {kind})' for column, kind in columns.items()]
        models.append(f'migrations.CreateModel("{name}", [{", ".join([KEY, *rows])}])')
    head = "from django.db import migrations, models\nclass Migration(migrations.Migration):\n"
    return f"{head}    initial = True\n    operations = [{', '.join(models)}]\n"


def source(columns):
    """A side's models.py."""
    text = "from django.db import models\n"
    for name, kinds in columns.items():
        lines = [f"    {column} = {kind}" for column, kind in kinds.items() if kind]
        text += "\n".join([f"class {name}(models.Model):", *lines, ""])
    return text


def make(folder, url):
    """A shop in production, and eighteen migrations that stand between it and its next release."""
    campus = Campus(folder, url)
    after = {name: {**FIELDS.get(name, {}), **AFTER.get(name, {})} for name in [*FIELDS, "Card"]}
    for side, columns in (("old", FIELDS), ("new", after)):
        (campus.folder / f"code-{side}" / "shop" / "models.py").write_text(source(columns), encoding="utf-8")
        campus.migration(side, "0001_initial", initial())
    before = "0001_initial"
    for number, (name, operation) in enumerate(STEPS.items(), 2):
        label = f"{number:04}_{name}"
        body = (
            f"from django.db import migrations, models\n{PYTHON}\nclass Migration(migrations.Migration):\n"
            f'    dependencies = [("shop", "{before}")]\n    operations = [{operation}]\n'
        )
        campus.migration("new", label, body)
        before = label
    campus.run("old", 'call_command("migrate", verbosity=0)')
    counts = {"products": PRODUCTS, "customers": CUSTOMERS, "orders": ORDERS, "lines": LINES}
    mysql.run(url, *[statement.format(**counts) for statement in FILL])
    mysql.run(url, *[f"ANALYZE TABLE shop_{name}" for name in ("customer", "order", "line")])
    return campus


def measure(folder):
    options = {
        "innodb-buffer-pool-size": "1G", "innodb-log-file-size": "256M", "max-allowed-packet": "64M",
        "character-set-server": "utf8mb4", "collation-server": "utf8mb4_unicode_ci",
    }  # fmt: skip
    work, now = folder / "work", system_clock().now()
    with servers.home(folder / "s", servers.owner_for("mysql")) as place:
        servers.mariadb_install(place, options)
        with servers.mariadb(place, folder / "s", options) as control:
            url = dataclasses.replace(control, name="campus")
            mysql.run(control, "CREATE DATABASE campus")
            (folder / "campus").mkdir()
            subject = read_subject(make(folder / "campus", url).subject)
            began = time.perf_counter()
            foretold = sampled.rehearse(subject, work=work, now=now, say=told)
            sampled_s = time.perf_counter() - began
            began = time.perf_counter()
            truth = rehearsing.rehearse(subject, work=work, now=now, say=told)
            return foretold, truth, sampled_s, time.perf_counter() - began


def told(line):
    if os.environ.get("SAY"):
        print(line, file=sys.stderr, flush=True)


def held(interval, actual):
    """One forecast against the truth."""
    return {
        "actual_s": round(actual, 2),
        "likely_s": round(interval["likely"], 2),
        "low_s": round(interval["low"], 2),
        "high_s": round(interval["high"], 2),
        "error": round(abs(interval["likely"] - actual) / actual, 3),
        "inside": interval["low"] <= actual <= interval["high"],
    }


def main():
    folder = Path(tempfile.mkdtemp(prefix="sw-samples-", dir="/var/tmp"))
    try:
        foretold, truth, sampled_s, full_s = measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    actual = {row["name"]: row["seconds"] for row in truth.migrations if row["app"] == "shop"}
    steps = {
        row["name"]: held(row["forecast_s"], actual[row["name"]])
        for row in foretold.migrations
        if row["app"] == "shop" and row.get("forecast_s") and actual.get(row["name"])
    }
    for row in foretold.migrations:
        if row["name"] in steps:
            on = [[one["rows"], one["sql_seconds"], one["state_seconds"]] for one in row["measured"]["on"]]
            steps[row["name"]] |= {"samples": on, "classes": row["classes"], "algorithms": row["algorithms"]}
    heavy = {name: one for name, one in steps.items() if one["actual_s"] >= HEAVY}
    said, was = foretold.to_dict(), truth.to_dict()
    figures = {
        "rows": ROWS,
        "samples": [{"rows": one["rows"], "of": one["of"]} for one in foretold.samples],
        "verdicts": [foretold.verdict.value, truth.verdict.value, truth.reasons[:3]],
        "heavy_steps": len(heavy),
        "median_error": round(statistics.median(one["error"] for one in heavy.values()), 3) if heavy else None,
        "covered": round(sum(one["inside"] for one in heavy.values()) / len(heavy), 3) if heavy else None,
        "downtime": held(said["predicted_downtime_s"], was["predicted_downtime_s"]["likely"]),
        "way_back": held(said["predicted_rollback_s"], was["predicted_rollback_s"]["likely"]),
        "rehearsal_on_samples_s": round(sampled_s, 1),
        "rehearsal_on_a_full_copy_s": round(full_s, 1),
        "steps": steps,
    }
    claim = "samples that hold a tenth of the rows foretell each heavy step"
    print(json.dumps({"claim": claim, "figures": figures, "machine": machine()}))


if __name__ == "__main__":
    main()
