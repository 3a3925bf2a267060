"""Brings the campus's database into being: the tables of the release that runs, then rows in proportion to a number.

Run in that release's environment: `python -m campus.fill ROWS`. It may be killed at any moment and run again. All rows
are made by the database itself from a series of numbers, in one transaction, and look as the release writes them.
"""

import hashlib
import os
import sys
import time

import django

TEXT = (
    "The river carries in spring what the forest gave away in autumn. I compared the two measurements and found that "
    "the second was taken below the bridge, where the water is slower, so that less sand is carried along. My "
    "conclusion is that both are right for their place, and that the question has to name the place before it asks "
    "for a number."
)


class Sqlite:
    """How this database counts, hashes and dates; the others below say the same in their own words."""

    def __init__(self, connection):
        self.connection = connection
        connection.ensure_connection()
        plain = connection.connection
        plain.create_function("md5", 1, lambda value: hashlib.md5(str(value).encode()).hexdigest(), deterministic=True)
        plain.create_function("concat", -1, lambda *parts: "".join(map(str, parts)), deterministic=True)

    def numbers(self, count):
        return f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s) t"

    def div(self, one, other):
        return f"({one} / {other})"

    def time(self, seconds):
        return f"strftime('%Y-%m-%d %H:%M:%f000', '2024-01-08 08:00:00', concat('+', {seconds}, ' seconds'))"

    def hexadecimal(self, seed):
        """32 digits with the marks of a random UUID, the same for the same seed."""
        made = hashed(seed)
        return f"concat(substr({made}, 1, 12), '4', substr({made}, 14, 3), 'a', substr({made}, 18))"

    def hyphenated(self, seed):
        made = self.hexadecimal(seed)
        cuts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        return "concat(" + ", '-', ".join(f"substr({made}, {start}, {length})" for start, length in cuts) + ")"

    uuid = hexadecimal


class MariaDB(Sqlite):
    def __init__(self, connection):
        self.connection = connection

    def numbers(self, count):
        return f"(SELECT seq AS n FROM seq_1_to_{count}) t"

    def div(self, one, other):
        return f"({one} DIV {other})"

    def time(self, seconds):
        return f"TIMESTAMPADD(SECOND, {seconds}, '2024-01-08 08:00:00')"


class PostgreSQL(Sqlite):
    def __init__(self, connection):
        self.connection = connection

    def numbers(self, count):
        return f"generate_series(1, {count}) AS t(n)"

    def time(self, seconds):
        return f"(timestamptz '2024-01-08 08:00:00+00' + ({seconds}) * interval '1 second')"

    def uuid(self, seed):
        return f"CAST({self.hexadecimal(seed)} AS uuid)"


DIALECTS = {"sqlite": Sqlite, "mysql": MariaDB, "postgresql": PostgreSQL}


def hashed(value):
    """Of whatever type: PostgreSQL does not turn a number into text by itself."""
    return f"md5(concat({value}))"


def say(line):
    print(line, flush=True)


def migrate(connection):
    """The tables of this release; a run that was stopped goes on behind its last whole migration."""
    from django.core.management import call_command
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        say(f"{len(pending)} migrations of the release that runs")
        call_command("migrate", verbosity=0, skip_checks=True)


def statements(rows, sql):
    """Each table with its number of rows and the columns of row `n`."""
    half, entities = max(rows // 2, 20), max(rows // 50, 20)
    users, courses, packages, policies = max(rows // 20, 20), 40, max(rows // 5000, 3), max(rows // 4, 20)
    block = sql.div("n", users)
    person = f"(1 + n % {users})"
    course = f"concat('course-v1:Campus+C', {block} % {courses}, '+2024')"
    kind = "CASE n % 4 WHEN 0 THEN 'video' WHEN 1 THEN 'html' ELSE 'problem' END"
    usage = f"concat('block-v1:Campus+C', {block} % {courses}, '+2024+type@problem+block@', {hashed(block)})"
    package = f"(1 + n % {packages})"
    when, later = sql.time("n"), sql.time("n + 86400")
    digits = hashed("n")
    answer = f"""concat('{{"parts": [{{"text": "', {digits}, '. {TEXT}"}}]}}')"""
    submission, uuid = "concat('submission', n)", sql.uuid
    nothing, yes, no = "NULL", "TRUE", "FALSE"
    return [
        ("auth_user", users, {
            "id": "n", "password": "'!'", "last_login": nothing, "is_superuser": no, "username": "concat('learner', n)",
            "first_name": "concat('Learner ', n)", "last_name": "'of the campus'", "is_staff": no, "is_active": yes,
            "email": "concat('learner', n, '@campus.example')", "date_joined": when,
        }),
        ("completion_blockcompletion", rows, {
            "created": when, "modified": when, "user_id": person, "course_key": course,
            "block_key": usage, "block_type": "'problem'", "completion": "1.0",
        }),
        ("edx_when_datepolicy", policies, {
            "id": "n", "created": when, "modified": when, "abs_date": later, "rel_date": nothing,
        }),
        ("edx_when_contentdate", rows, {
            "id": "n", "course_id": f"concat('course-v1:Campus+C', n % {courses}, '+2024')",
            "location": f"concat('block-v1:Campus+C', n % {courses}, '+2024+type@problem+block@', {digits})",
            "policy_id": f"(1 + n % {policies})", "field": "'due'", "active": yes, "block_type": kind,
        }),
        ("edx_when_userdate", half, {
            "created": when, "modified": when, "abs_date": later, "rel_date": nothing, "reason": "'extension'",
            "actor_id": nothing, "user_id": person, "content_date_id": "n",
        }),
        ("submissions_studentitem", half, {
            "id": "n", "student_id": hashed(person), "course_id": course, "item_id": usage,
            "item_type": "'openassessment'",
        }),
        ("submissions_submission", half, {
            "id": "n", "uuid": uuid(submission), "attempt_number": "1", "submitted_at": when, "created_at": when,
            "student_item_id": "n", "status": "'A'", "team_submission_id": nothing, "raw_answer": answer,
        }),
        ("submissions_score", half, {
            "id": "n", "student_item_id": "n", "submission_id": "n", "points_earned": "n % 11",
            "points_possible": "10", "created_at": later, "reset": no,
        }),
        ("submissions_scoresummary", half, {"student_item_id": "n", "highest_id": "n", "latest_id": "n"}),
        ("workflow_assessmentworkflow", half, {
            "id": "n", "created": when, "modified": later, "status": "'done'", "status_changed": later,
            "submission_uuid": sql.hyphenated(submission), "uuid": uuid("concat('workflow', n)"), "course_id": course,
            "item_id": usage,
        }),
        ("workflow_assessmentworkflowstep", half, {
            "workflow_id": "n", "name": "'staff'", "submitter_completed_at": when, "assessment_completed_at": later,
            "order_num": "0", "skipped": no,
        }),
        ("oel_tagging_taxonomy", 5, {
            "id": "1000 + n", "name": "concat('Taxonomy ', n)", "description": "'Made up'", "enabled": yes,
            "allow_multiple": yes, "allow_free_text": no, "visible_to_authors": yes, "_taxonomy_class": nothing,
            "export_id": "concat('campus-', n)",
        }),
        ("oel_tagging_tag", 100, {
            "id": "1000 + n", "taxonomy_id": "1001 + n % 5", "parent_id": nothing, "value": "concat('Tag ', n)",
            "external_id": "concat('tag-', n)",
        }),
        ("oel_tagging_objecttag", half, {
            "object_id": f"concat('block-v1:Campus+C', n % {courses}, '+2024+type@html+block@', {digits})",
            "taxonomy_id": "1001 + (1 + n % 100) % 5", "tag_id": "1001 + n % 100",
            "_export_id": "concat('campus-', 1 + (1 + n % 100) % 5)", "_value": "concat('Tag ', 1 + n % 100)",
        }),
        ("oel_publishing_learningpackage", packages, {
            "id": "n", "uuid": uuid("concat('package', n)"), "_key": "concat('lib:Campus:L', n)",
            "title": "concat('Library ', n)", "description": "'Made up'", "created": when, "updated": later,
        }),
        ("oel_publishing_publishableentity", entities, {
            "id": "n", "uuid": uuid("concat('entity', n)"), "_key": "concat('xblock.v1:problem:', n)", "created": when,
            "created_by_id": person, "learning_package_id": package,
        }),
        ("oel_publishing_publishableentityversion", entities, {
            "id": "n", "uuid": uuid("concat('version', n)"), "title": "concat('Problem ', n)", "version_num": "1",
            "created": when, "created_by_id": person, "entity_id": "n",
        }),
        ("oel_publishing_draft", entities, {"entity_id": "n", "version_id": "n"}),
        ("oel_publishing_publishlog", packages, {
            "id": "n", "uuid": uuid("concat('log', n)"), "message": "'First'", "published_at": later,
            "learning_package_id": "n", "published_by_id": "1",
        }),
        ("oel_publishing_publishlogrecord", entities, {
            "id": "n", "entity_id": "n", "new_version_id": "n", "old_version_id": nothing, "publish_log_id": package,
        }),
        ("oel_publishing_published", entities, {
            "entity_id": "n", "publish_log_record_id": "n", "version_id": "n",
        }),
        ("oel_components_componenttype", 3, {
            "id": "n", "namespace": "'xblock.v1'",
            "name": "CASE n WHEN 1 THEN 'problem' WHEN 2 THEN 'html' ELSE 'video' END",
        }),
        ("oel_components_component", entities, {
            "publishable_entity_id": "n", "local_key": "concat('p', n)", "component_type_id": "1",
            "learning_package_id": package,
        }),
        ("oel_components_componentversion", entities, {"publishable_entity_version_id": "n", "component_id": "n"}),
        ("oel_contents_mediatype", 1, {
            "id": "n", "type": "'application'", "sub_type": "'vnd.openedx.xblock.v1.problem'", "suffix": "'xml'",
        }),
        ("oel_contents_content", entities, {
            "id": "n", "size": "60", "hash_digest": digits, "has_file": no,
            "text": f"concat('<problem><p>', {digits}, '</p></problem>')", "created": when, "media_type_id": "1",
            "learning_package_id": package,
        }),
        ("oel_components_componentversioncontent", entities, {
            "id": "n", "uuid": uuid("concat('content', n)"), "_key": "'block.xml'", "learner_downloadable": no,
            "component_version_id": "n", "content_id": "n",
        }),
    ]  # fmt: skip


def fill(connection, rows):
    """All rows in one transaction, so that either all or none are there."""
    from django.contrib.auth import get_user_model
    from django.db import transaction

    users = get_user_model().objects
    if users.exists():
        return
    sql = DIALECTS[connection.vendor](connection)
    quote = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor))
        for table, count, columns in statements(rows, sql):
            if table not in there:
                continue
            began = time.monotonic()
            names = ", ".join(map(quote, columns))
            values = ", ".join(columns.values())
            cursor.execute(f"INSERT INTO {quote(table)} ({names}) SELECT {values} FROM {sql.numbers(count)}")
            if count >= rows // 2:
                say(f"{table}: {count:,} rows in {time.monotonic() - began:.1f} s")
        number(connection, cursor)
        from .few import few_by_the_orm

        few_by_the_orm(users)


def number(connection, cursor):
    """The next number of every table follows the last that was given (PostgreSQL)."""
    from django.apps import apps
    from django.core.management.color import no_style

    for statement in connection.ops.sequence_reset_sql(no_style(), apps.get_models()):
        cursor.execute(statement)


def main(rows):
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campus.settings")
    django.setup()
    from django.db import connection

    migrate(connection)
    fill(connection, rows)
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
            for (table,) in cursor.fetchall():
                cursor.execute(f"ANALYZE TABLE {connection.ops.quote_name(table)}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
